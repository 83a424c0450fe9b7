"""``make bench-scaffold``: from an empty folder to the first answered prediction, beside the quick starts of others.

Prints tables and whether the limits are kept; leaves that and scaffold.json in the folder of the results. See
docs/building.md.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sys
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path

import click
import uv

from bench.builds.copies import run, say
from bench.scaffold import report
from bench.scaffold.journeys import WAYS, Journey, Start, make_table, travel
from bench.scaffold.many import check_seconds
from bench.serving.prepare import STATE
from bench.serving.servers import ROOT

PORT = 7341


@click.command()
@click.option("--journeys", default=";".join(WAYS), show_default=True, help="names, separated by ';'")
@click.option("--repeats", default=3, show_default=True, help="of each journey; the best counts")
@click.option("--without-warm-up", is_flag=True, help="the first journeys count, whatever is in the package caches")
@click.option("--models", default=200, show_default=True, help="that make check looks at; 0: none")
@click.option("--checks", default=5, show_default=True, help="runs of make check; the median counts")
@click.option("--out", default=str(STATE / "scaffold"), show_default=True, help="folder of the results")
def main(journeys: str, repeats: int, without_warm_up: bool, models: int, checks: int, out: str) -> None:
    """Measure and print."""
    folder, names = Path(out).resolve(), [name.strip() for name in journeys.split(";") if name.strip()]
    if unknown := set(names) - WAYS.keys():
        sys.exit(f"error: no such journey: {', '.join(sorted(unknown))}; there are: {'; '.join(WAYS)}")
    folder.mkdir(parents=True, exist_ok=True)
    load = [os.getloadavg()[0]]
    # Not in this repository: trainyard init refuses to make a monorepo in another.
    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as away:
        gone = go(Path(away), names, repeats, warm=not without_warm_up)
        load.append(os.getloadavg()[0])
        if models:
            say(f"make check of {models} models")
        seconds = check_seconds(Path(away) / "generated", models, checks) if models else []
    load.append(os.getloadavg()[0])
    found = [report.best(gone[name]) for name in names]
    verdicts = [*report.verdicts(found, models, seconds)]
    text = "\n".join([
        f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), load"
        f" {', '.join(f'{one:.1f}' for one in load)} (before, between, after); the best of {repeats}.",
        "", *report.summary(found), "", *report.steps(found), "",
        "| what | way | figure | target | |", "| --- | --- | --- | --- | --- |", *(one.line for one in verdicts),
    ])  # fmt: skip
    (folder / "scaffold.md").write_text(text + "\n")
    result = {
        "journeys": {name: [asdict(one) for one in ones] for name, ones in gone.items()},
        "checks": seconds, "load": load, "verdicts": [asdict(one) for one in verdicts],
    }  # fmt: skip
    (folder / "scaffold.json").write_text(json.dumps(result, indent=1) + "\n")
    print(text)
    say(f"written to {folder}")


def go(folder: Path, names: list[str], repeats: int, *, warm: bool) -> dict[str, list[Journey]]:
    """Every journey by its name, in turns; with ``warm`` each once more, before, for the package caches."""
    wheels = folder / "wheels"
    run([uv.find_uv_bin(), "build", "--quiet", "--wheel", "--clear", "--out-dir", str(wheels), str(ROOT)])
    (wheel,) = wheels.glob("*.whl")
    table = folder / "iris.csv"
    rows = make_table(table)
    gone: dict[str, list[Journey]] = {name: [] for name in names}
    for repeat in range(-1 if warm else 0, repeats):
        turns = random.Random(repeat).sample(names, len(names))  # noqa: S311 -- what one leaves to do, another pays
        for name in turns:
            say(f"[{repeat + 1}/{repeats}] {name}")
            place = folder / "journeys" / name.replace(", ", "-")
            one = travel(name, Start(place, table, rows, wheel, PORT))
            if repeat >= 0:
                gone[name].append(one)
            os.sync()
    return gone


if __name__ == "__main__":
    main()
