"""``make bench-builds``: how long builds take, against the real s2i with a classic assemble script, in one run.

Prints a table, what was to be reached, and whether it was; leaves that and builds.json in the folder of the results.
See docs/building.md.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path

import click

from bench.builds import baseline, disk, generated, targets
from bench.builds.cases import PICKLED, Workplace, baseline_project
from bench.builds.copies import WAYS, run, say
from bench.builds.targets import BASELINE, Found, Verdict
from bench.serving.prepare import STATE

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
INSTALLS = {"first"}  # they make thousands of files: `--rest` before each
QUICK = 3.0  # seconds of one way's turn: a build that takes less is measured more than once
CASES = (*WORDS, "bytes", "size", "generated")


@click.command()
@click.option("--ways", default=";".join(WAYS), show_default=True, help="names, separated by ';'")
@click.option("--cases", default=",".join(CASES), show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option(
    "--rest", default=60, show_default=True, help="seconds before each first build: ext4 is slow after deletions"
)
@click.option("--models", default=200, show_default=True, help="in the generated monorepo")
@click.option("--equal", default=4, show_default=True, help="models of one project with equal requirements")
@click.option("--compiled", is_flag=True, help="the requirements of the shipped predict image, not of a pickled model")
@click.option("--without-baseline", is_flag=True)
@click.option("--out", default=str(STATE / "builds"), show_default=True, help="folder of the results")
def main(
    ways: str, cases: str, repeats: int, rest: int, models: int, equal: int, compiled: bool, without_baseline: bool,
    out: str,
) -> None:  # fmt: skip
    """Measure and print."""
    if not without_baseline and (reason := baseline.need()):
        sys.exit(f"error: there is no baseline: {reason}; --without-baseline measures ours alone")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = cases.split(",")
    places = [Workplace(folder, WAYS[name], "" if compiled else PICKLED) for name in ways.split(";")]
    try:
        found = timed_cases(places, wanted, repeats, rest, not without_baseline)
    finally:
        if not without_baseline:
            baseline.remove()
    verdicts = [*targets.of_times(found, WORDS), *weighed(places, wanted, equal)]
    if "generated" in wanted:
        say(f"a monorepo of {models} models")
        verdicts += targets.of_generated(generated.measure(folder, models, [place.way for place in places]))
    for place in places:
        place.clean()
    requirements = "the shipped predict image's" if compiled else "a pickled model's (pandas, scikit-learn)"
    measured = f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores, medians of at least {repeats}"
    head = f"{measured}; requirements: {requirements}."
    text = "\n".join([head, "", *table(found), "", *judged(verdicts)])
    (folder / "builds.md").write_text(text + "\n")
    result = {"seconds": found, "verdicts": [asdict(verdict) for verdict in verdicts]}
    (folder / "builds.json").write_text(json.dumps(result, indent=1) + "\n")
    print(text)
    say(f"written to {folder}")


def timed_cases(places: list[Workplace], wanted: list[str], repeats: int, rest: int, compared: bool) -> Found:
    """Seconds by case and way, all ways and the baseline in turns; each first build ``rest`` seconds after another."""
    if not set(WORDS) & set(wanted):
        return {}
    for place in places:
        say(f"{place.way.name}: builders, and one build that warms the caches")
        run(["make", "-C", str(place.root), *place.way.variables, "builders"])
        place.first_build()
    if compared:
        baseline.make_builder()
    found: Found = {}
    for case in (name for name in wanted if name in TIMED):
        turns = [(place.way.name, partial(TIMED[case], place)) for place in places]
        if compared:
            turns.insert(0, (BASELINE, partial(baseline.build, places[0].model(), "predict")))
        for repeat in range(repeats):
            random.Random(repeat).shuffle(turns)  # noqa: S311 -- what a build leaves the machine to do, another pays
            for name, build in turns:
                say(f"{WORDS[case]} [{repeat + 1}/{repeats}]: {name}")
                time.sleep(rest if case in INSTALLS else 0)
                spent = 0.0
                while spent < QUICK:
                    spent += (seconds := build())
                    _add(found, case, name, seconds)
    if {"project", "unchanged"} & set(wanted):
        if compared:
            say(f"{WORDS['project']}: baseline")
            _add(found, "project", BASELINE, baseline_project(places[0]))
        for place in places:
            say(f"{WORDS['project']}: {place.way.name}")
            _add(found, "project", place.way.name, place.whole_project())
            for _ in range(repeats):
                _add(found, "unchanged", place.way.name, place.nothing_changed())
    return found


def _add(found: Found, case: str, way: str, seconds: float) -> None:
    found.setdefault(case, {}).setdefault(way, []).append(seconds)


def weighed(places: list[Workplace], wanted: list[str], equal: int) -> list[Verdict]:
    """What images take on disk; folders of the process engine are no images."""
    verdicts = []
    for place in places:
        way = place.way
        if way.engine == "process":
            continue
        if "bytes" in wanted:
            say(f"bytes of {equal} models with equal requirements: {way.name}")
            verdicts.append(targets.of_shared(way.name, *disk.unique_bytes(place, equal)))
        if "size" in wanted:
            say(f"size of a predict image: {way.name}")
            verdicts.append(targets.of_size(way.name, *disk.predict_size(place)))
    return verdicts


def judged(verdicts: list[Verdict]) -> list[str]:
    """A line for each figure that was to be reached."""
    lines = ["| what | way | figure | target | |", "| --- | --- | --- | --- | --- |"]
    return [*lines, *(verdict.line for verdict in verdicts)]


def table(found: Found) -> list[str]:
    """Seconds, and times faster than the baseline: a line for each case, a column for each way."""
    columns = list(dict.fromkeys(name for values in found.values() for name in values))
    lines = [f"| seconds | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for case, values in found.items():
        medians = {name: statistics.median(seconds) for name, seconds in values.items()}
        cells = []
        for name in columns:
            ratio = f" ({medians[BASELINE] / medians[name]:.1f}x)" if {BASELINE, name} <= medians.keys() else ""
            cells.append(f"{medians[name]:.2f}{ratio if name != BASELINE else ''}" if name in medians else "-")
        lines.append(f"| {WORDS[case]} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
