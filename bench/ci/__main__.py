"""``make bench-ci``: what a change costs in CI, against building, training and pushing all models, in one run.

The monorepo is generated. Git and DVC push to folders, images go to Debian's docker-registry. Each job has a fresh
clone; the machine keeps its environments and images, and has the dependencies of all models before anything is
measured, so that all of them are no slower than they have to be. See docs/ci.md.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import click

from bench.builds.copies import WAYS, make, run, say
from bench.ci import report
from bench.ci.cases import carried_out, change, everything, planned, warm
from bench.ci.places import Site, model_of, registry
from bench.ci.report import AGAIN, ALL, DOCS, EDIT, PROJECT, SHARED, Found
from bench.serving.prepare import STATE


@click.command()
@click.option("--engine", default="process", show_default=True, type=click.Choice(["process", "docker", "podman"]))
@click.option("--models", default=60, show_default=True, help="in the generated monorepo, ten in a project")
@click.option("--repeats", default=3, show_default=True, help="edits, each of another model")
@click.option("--jobs", default=1, show_default=True, help="-j of make build-all and make train-all, of all models")
@click.option("--out", default=str(STATE / "ci"), show_default=True, help="folder of the results")
def main(engine: str, models: int, repeats: int, jobs: int, out: str) -> None:
    """Measure and print. The process engine has no images that could be pushed: docker and podman have."""
    if engine != "process" and not (shutil.which(engine) and shutil.which("docker-registry")):
        sys.exit(f"error: {engine} and docker-registry are needed on PATH: apt-get install docker-registry")
    if repeats >= models:
        sys.exit(f"error: --repeats {repeats}: give fewer than the {models} models")
    folder = Path(out)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    images = contextlib.nullcontext("") if engine == "process" else registry(work / "registry")
    with images as name:
        found = measured(Site(work, WAYS[engine], name), models, repeats, jobs)
    verdicts = list(report.judged(found, engine, models))
    text = report.text(found, verdicts, engine, models)
    (folder / "ci.md").write_text(text + "\n")
    result = {case: [asdict(job) for job in jobs] for case, jobs in found.items()}
    judged = [asdict(verdict) for verdict in verdicts]
    (folder / "ci.json").write_text(json.dumps({"jobs": result, "verdicts": judged}, indent=1) + "\n")
    shutil.rmtree(work, ignore_errors=True)
    print(text)
    say(f"written to {folder}")


def measured(site: Site, models: int, repeats: int, jobs: int) -> Found:
    """Each case, one after the other; images are removed in the end."""
    say(f"a monorepo of {models} models")
    site.make_source(models)
    try:
        warm(site)
        found: Found = {ALL: [everything(site, jobs)], EDIT: [], AGAIN: []}
        for number in range(1, repeats + 1):
            branch = f"edit-{number}"
            commit = change(site, branch, f"{model_of(number)}/train.py", parameter=number)
            found[EDIT].append(carried_out(site, branch, commit, EDIT))
            found[AGAIN].append(carried_out(site, branch, commit, AGAIN))
        commit = change(site, "shared", "projects/project0/common_utils/schema.py")
        found[PROJECT] = [carried_out(site, "shared", commit, PROJECT)]
        commit = change(site, "shared-all", "common_utils/__init__.py")
        found[SHARED] = [planned(site, "shared-all", commit, SHARED)]
        commit = change(site, "docs", "README.md", "docs/models.md", "projects/project0/README.md")
        found[DOCS] = [carried_out(site, "docs", commit, DOCS)]
        return found
    finally:
        run(make(site.source, site.way, "clean"))


if __name__ == "__main__":
    main()
