"""``make bench-builds``: how long builds take, against the real s2i with a classic assemble script, in one run.

Prints a table, leaves it and builds.json in the folder of the results. See docs/building.md.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import click

from bench.builds import baseline
from bench.builds.cases import PICKLED, Workplace, baseline_project, generated, unique_bytes
from bench.builds.copies import WAYS, run, say
from bench.serving.prepare import STATE

CASES = ("edit", "first", "second", "project", "unchanged", "bytes", "generated")
WORDS = {
    "edit": "one-line edit of predict.py, rebuild",
    "first": "first build of a model, package cache warm",
    "second": "second model with the same requirements",
    "project": "all images of the finance project, -j2, from nothing",
    "unchanged": "nothing changed, make build-all",
}
TIMED: dict[str, Callable[[Workplace], float]] = {
    "edit": Workplace.edit,
    "first": Workplace.first_build,
    "second": Workplace.second_model,
}
MEGABYTE = 1e6


@click.command()
@click.option("--ways", default=";".join(WAYS), show_default=True, help="names, separated by ';'")
@click.option("--cases", default=",".join(CASES), show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--models", default=200, show_default=True, help="in the generated monorepo")
@click.option("--compiled", is_flag=True, help="the requirements of the shipped predict image, not of a pickled model")
@click.option("--without-baseline", is_flag=True)
@click.option("--out", default=str(STATE / "builds"), show_default=True, help="folder of the results")
def main(
    ways: str, cases: str, repeats: int, models: int, compiled: bool, without_baseline: bool, out: str
) -> None:  # fmt: skip
    """Measure and print."""
    if not without_baseline and (reason := baseline.need()):
        sys.exit(f"error: there is no baseline: {reason}; --without-baseline measures ours alone")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = cases.split(",")
    places = [Workplace(folder, WAYS[name], "" if compiled else PICKLED) for name in ways.split(";")]
    for place in places:
        say(f"{place.way.name}: builders, and one build that warms the caches")
        run(["make", "-C", str(place.root), *place.way.variables, "builders"])
        place.first_build()
    found: dict[str, dict[str, list[float]]] = {}
    if not without_baseline:
        baseline.make_builder()
    for case in (name for name in wanted if name in TIMED):
        found[case] = {}
        for repeat in range(repeats):
            if not without_baseline:
                say(f"{WORDS[case]} [{repeat + 1}/{repeats}]: baseline")
                found[case].setdefault("baseline", []).append(baseline.build(places[0].model(), "predict"))
            for place in places:
                say(f"{WORDS[case]} [{repeat + 1}/{repeats}]: {place.way.name}")
                found[case].setdefault(place.way.name, []).append(TIMED[case](place))
    lines = []
    if "project" in wanted or "unchanged" in wanted:
        found["project"], found["unchanged"] = {}, {}
        if not without_baseline:
            say(f"{WORDS['project']}: baseline")
            found["project"]["baseline"] = [baseline_project(places[0])]
        for place in places:
            say(f"{WORDS['project']}: {place.way.name}")
            found["project"][place.way.name] = [place.whole_project()]
            found["unchanged"][place.way.name] = [place.nothing_changed() for _ in range(repeats)]
    if "bytes" in wanted:
        for place in places:
            if place.way.engine != "process":
                say(f"bytes: {place.way.name}")
                unique, largest = unique_bytes(place)
                lines.append(
                    f"{place.way.name}: predict images of one project with equal requirements take "
                    f"{unique / MEGABYTE:.0f} MB together, the largest {largest / MEGABYTE:.0f} MB: "
                    f"{unique / largest:.3f} times"
                )
    if "generated" in wanted:
        say(f"a monorepo of {models} models")
        many = generated(folder, models)
        lines.append(
            f"{models} models: make list {many.listed:.2f} s, make -n build-all {many.planned:.2f} s, "
            f"build-all {many.built:.0f} s, again {many.unchanged:.2f} s; an edit of one builds "
            f"{', '.join(many.after_edit)}"
        )
    for place in places:
        place.clean()
    requirements = "the shipped predict image's" if compiled else "a pickled model's (pandas, scikit-learn)"
    text = "\n".join(
        [
            f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores, medians of {repeats}; requirements are "
            f"{requirements}. Seconds, and times faster than the baseline.",
            "",
            *table(found),
            "",
            *lines,
        ]
    )
    (folder / "builds.md").write_text(text + "\n")
    (folder / "builds.json").write_text(json.dumps({"seconds": found, "lines": lines}, indent=1) + "\n")
    print(text)
    say(f"written to {folder}")


def table(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """A line for each case, a column for each way."""
    columns = list(dict.fromkeys(name for values in found.values() for name in values))
    lines = [f"| case | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for case, values in found.items():
        medians = {name: statistics.median(seconds) for name, seconds in values.items()}
        cells = []
        for name in columns:
            ratio = f" ({medians['baseline'] / medians[name]:.1f}x)" if {"baseline", name} <= medians.keys() else ""
            cells.append(f"{medians[name]:.2f}{ratio if name != 'baseline' else ''}" if name in medians else "-")
        lines.append(f"| {WORDS[case]} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
