"""``make bench-images``: what a predict image of each income model costs, compiled and as it was pickled.

Image size, cold start (process start to the first good answer) and memory (sum of PSS, two workers). See
docs/serving.md.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import click

from bench.memory import COMPILED, NATIVE, Case, prepare, start
from bench.serving.load import drive, need_wrk
from bench.serving.prepare import STATE
from bench.serving.servers import MODELS, PROJECT, ROOT

COPIED = ("Makefile", "mk", "all", "common_utils", "utils", "pyproject.toml", f"projects/{PROJECT}")
# What unpickling needs; catboost brings pandas and matplotlib along.
UNPICKLING = {
    "lr": ("joblib", "numpy", "scikit-learn"),
    "rf": ("joblib", "numpy", "scikit-learn"),
    "xgb": ("joblib", "numpy", "scikit-learn", "xgboost-cpu"),
    "cat": ("joblib", "numpy", "catboost"),
}
MEGABYTE = 1e6
LOAD_SECONDS = 1


@dataclass
class Found:
    """One model, served one way. Bytes; seconds of each start; MiB."""

    model: str
    kind: str
    image_bytes: int = 0
    own_bytes: int = 0  # of those, what lies above the base image
    cold_start: list[float] | None = None
    memory: float = 0.0


@click.command()
@click.option("--engine", default="docker", show_default=True, help="that builds the images; none: no image sizes")
@click.option("--kinds", default=f"{COMPILED},{NATIVE}", show_default=True)
@click.option("--models", default=",".join(MODELS), show_default=True)
@click.option("--repeats", default=5, show_default=True, help="cold starts")
@click.option("--out", default=str(STATE / "images"), show_default=True, help="folder of the results")
def main(engine: str, kinds: str, models: str, repeats: int, out: str) -> None:
    """Measure, print, and leave images.md and images.json in the folder of the results."""
    need_wrk()
    venvs = prepare(kinds.split(","), models.split(","))
    found = [Found(model, kind) for model in models.split(",") for kind in venvs]
    for one in found:
        _say(f"{one.model}, {one.kind}")
        if engine != "none":
            one.image_bytes, one.own_bytes = image_sizes(engine, one.model, one.kind)
        one.cold_start, one.memory = starts(one.model, one.kind, venvs[one.kind], repeats)
    text = (
        f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores. Medians of {repeats} cold starts; memory of two"
        f" workers.\n\n{report(found)}"
    )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.md").write_text(text + "\n")
    (folder / "images.json").write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    print(text)
    _say(f"written to {folder}")


def starts(model: str, kind: str, venv: Path, repeats: int) -> tuple[list[float], float]:
    """Cold starts in seconds, and the memory in MiB after some load."""
    cold, memory = [], 0.0
    for _ in range(repeats):
        with start(Case(kind, True, 2), venv, 1, [model]) as (server, urls, body):
            cold.append(server.cold_start)
            drive(urls[0], body, 16, LOAD_SECONDS)
            memory = server.memory()
    return cold, memory


def image_sizes(engine: str, model: str, kind: str) -> tuple[int, int]:
    """Bytes of the model's predict image, and of what it adds to the base image.

    It is built in a copy of the monorepo, so that the requirements of pickles can be put in place of the shipped ones.
    """
    copy = STATE / "images" / "monorepo"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in COPIED:
        source, target = ROOT / name, copy / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pkl", "*.onnx"))
        else:
            shutil.copy2(source, target)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    folder = copy / "projects" / PROJECT / MODELS[model][0]
    if kind == NATIVE:
        (folder / "requirements_predict.txt").write_text("\n".join(UNPICKLING[model]) + "\n")
        (folder / "requirements_predict.lock").unlink()
    name = f"trainyard-bench-{model}-{kind}"
    make = ["make", "-C", str(folder), f"ENGINE={engine}", f"CONTAINER_NAME={name}"]
    _run([*make, "build-predict"])
    try:
        size, base = (
            int(_run([engine, "image", "inspect", "--format", "{{.Size}}", image]))
            for image in (f"{name}-predict", "trainyard/base")
        )
    finally:
        _run([*make, "clean"])
    return size, size - base


def report(found: list[Found]) -> str:
    """A table, a line for each model and kind."""
    lines = [
        "| model | served | image, MB | of it above the base image | cold start, s | memory, MiB |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        sizes = [f"{size / MEGABYTE:.0f}" if size else "-" for size in (one.image_bytes, one.own_bytes)]
        cold = statistics.median(one.cold_start or [0])
        lines.append(f"| {one.model} | {one.kind} | {sizes[0]} | {sizes[1]} | {cold:.2f} | {one.memory:.0f} |")
    return "\n".join(lines)


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(argv)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def _say(text: str) -> None:
    print(f"---> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
