"""``make bench-tuning``: what a trial costs beyond the train function itself, against a train container for each trial.

Both keep runs and their files; trials also ask Optuna and tell it. One worker, so that nothing overlaps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import json
import os
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import click

from bench.builds.copies import copy_monorepo, run, say
from bench.serving.prepare import STATE
from trainyard.host.compute.compute_file import FILE
from trainyard.host.experiments.training import carry_out, start_run
from trainyard.host.operations.on_compute.training import runner_of
from trainyard.host.operations.session import open_session
from trainyard.host.operations.train import training_of, training_payload
from trainyard.host.operations.training_data import data_of
from trainyard.host.support.reporter import SILENT

# Seconds beyond the train function: on engines of this machine, and on a compute.
TARGETS, ON_COMPUTE = {"process": 0.150, "docker": 0.150, "podman": 0.150}, 0.060
IMAGES = "docker"  # has the images that a compute runs
FUNCTION_SECONDS = 0.02
IMPORTS = {"nothing": "", "scikit-learn": "import sklearn.ensemble\n"}
TRAIN = """
import json, time
{imports}

def train(msg):
    payload, started = msg["payload"], time.perf_counter()
    x = payload["params"]["x"]
    time.sleep({seconds})
    record = {{"metrics": {{"loss": (x - 2) ** 2, "own_seconds": time.perf_counter() - started}}, "params": {{"x": x}}}}
    for name, text in (("pkl", "x"), ("json", json.dumps(record))):
        with open(f"models/{{payload['model_name']}}.{{name}}", "w") as file:
            file.write(text)
"""
CONFIG = """
tuning:
  metric: loss
  seed: 1
  hyperparams:
    x: {default_value: 0.5, tuning: {param_type: float, min: 0, max: 4}}
"""


@dataclass(frozen=True)
class Found:
    """Seconds beyond the train function: of a trial, and of a training in a container of its own."""

    where: str
    imports: str
    trial: float
    container: float


def make_model(root: Path, imports: str) -> Path:
    """A model whose train function sleeps, after importing something."""
    name = imports.replace("-", "_")
    path = root / "projects" / "bench" / name
    (path / ".s2i").mkdir(parents=True)
    (path.parent / "data").mkdir(exist_ok=True)
    (path.parent / "data" / "rows.csv").write_text("a\n1\n")
    module = f"bench.{name}"
    wiring = f"ROUTES={name}/predict:{module}.predict:predict\nTRAIN_MODULE={module}.train\n"
    (path / ".s2i" / "environment").write_text(wiring)
    variables = {
        "MODEL_NAME": name,
        "DATASET_NAME": "data/rows.csv",
        "CONTAINER_NAME": f"trainyard-bench-tune-{imports}",
    }
    lines = [f"{key} := {value}" for key, value in variables.items()]
    (path / "Makefile").write_text("\n".join([*lines, "include ../../../mk/model.mk", ""]))
    (path / "train.py").write_text(TRAIN.format(imports=IMPORTS[imports], seconds=FUNCTION_SECONDS))
    (path / "predict.py").write_text(
        "def predict(msg):\n    return {'predictions': [1 for _ in msg.payload['instances']]}\n"
    )
    (path / "config.yaml").write_text(CONFIG)
    needs = "scikit-learn\n" if IMPORTS[imports] else ""
    for role in ("train", "predict"):
        (path / f"requirements_{role}.txt").write_text(needs)
    run(["make", "-C", str(path), "lock"])
    return path


def beyond_trials(path: Path, engine: str, compute: str, trials: int) -> float:
    """From the start of one trial to that of the next, without the function."""
    where = (f"ENGINE={engine}", f"COMPUTE={compute}", "NODES=1")
    run(["make", "-C", str(path), "tune", f"TRIALS={trials}", "WORKERS=1", *where])
    runs = [json.loads(file.read_text()) for file in sorted(path.parent.glob("runs/*/run.json"))]
    parent = [one["id"] for one in runs if one["kind"] == "tuning"][-1]
    found = sorted(
        (one for one in runs if one["kind"] == "trial" and one["parent"] == parent), key=lambda one: one["started"]
    )
    starts = [datetime.fromisoformat(one["started"]) for one in found]
    each = [(after - before).total_seconds() for before, after in itertools.pairwise(starts)]
    return statistics.median(a - one["metrics"]["own_seconds"] for a, one in zip(each, found, strict=False))


def beyond_containers(path: Path, engine: str, compute: str, trials: int) -> float:
    """A train container for each, its run kept, without the function; on a compute a task for each."""
    session = open_session(path, SILENT)
    session = dataclasses.replace(session, settings=dataclasses.replace(session.settings, engine=engine))
    model = session.repository.model(path)
    training = training_of(session, model, data_of(session, model, training_payload(session, model)))
    training = dataclasses.replace(training, compute=compute)
    runner, found = runner_of(session, training), []
    for _ in range(trials):
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            done, status = carry_out(training, start_run(training), runner, session.repository, SILENT)
        if status:
            sys.exit(f"error: {done.id}: {done.error}")
        found.append(time.perf_counter() - started - done.metrics["own_seconds"])
    return statistics.median(found)


@click.command()
@click.option("--engines", default="process", show_default=True, help="separated by commas")
@click.option("--compute", envvar="COMPUTE", default="", help="a name in compute.yaml: on that, too")
@click.option("--imports", "kinds", default=",".join(IMPORTS), show_default=True)
@click.option("--trials", default=30, show_default=True)
@click.option("--containers", default=8, show_default=True)
@click.option("--out", default=str(STATE / "tuning"), show_default=True, help="folder of the results")
def main(engines: str, compute: str, kinds: str, trials: int, containers: int, out: str) -> None:
    """Measure and print."""
    os.environ.pop("COMPUTE", None)  # each place is named where it is measured
    folder = Path(out)
    root = copy_monorepo(folder / "monorepo")
    if compute:
        shutil.copy(FILE, root)
    places = [(engine, "") for engine in engines.split(",")] + ([(IMAGES, compute)] if compute else [])
    found = []
    for imports in kinds.split(","):
        path = make_model(root, imports)
        for engine, there in places:
            say(f"{there or engine}, the train function imports {imports}")
            run(["make", "-C", str(path), "build-train", f"ENGINE={engine}"])
            alone = beyond_containers(path, engine, there, containers)
            found.append(Found(there or engine, imports, beyond_trials(path, engine, there, trials), alone))
    text = report(found)
    (folder / "tuning.md").write_text(text + "\n")
    (folder / "tuning.json").write_text(json.dumps([vars(one) for one in found], indent=1) + "\n")
    print(text)


def report(found: list[Found]) -> str:
    """A table, and whether the target was reached."""
    lines = [
        f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. Medians, in ms"
        " beyond the train function.",
        "",
        "| where | the train function imports | a trial in a worker | a train container each | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in found:
        times = f"{one.trial * 1000:.0f} | {one.container * 1000:.0f} | {one.container / one.trial:.1f}"
        lines.append(f"| {one.where} | {one.imports} | {times} |")
    for one in found:
        target = TARGETS.get(one.where, ON_COMPUTE)
        mark = "reached" if one.trial <= target else "MISSED"
        lines.append(f"\n{one.where}, {one.imports}: {one.trial * 1000:.0f} ms a trial; {target * 1000:.0f}: {mark}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
