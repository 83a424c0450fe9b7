"""Tables of what the journeys took, and whether the limits of issue 14 are kept."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.builds.targets import Verdict
from bench.scaffold.journeys import Journey

OURS = "trainyard"
IN_ALL, OWN, CHECK = 60.0, 5.0, 1.0  # seconds


def best(journeys: list[Journey]) -> Journey:
    """The quickest of those that arrived; else the one that came farthest."""
    arrived = [one for one in journeys if not one.stopped]
    return min(arrived, key=lambda one: one.seconds) if arrived else max(journeys, key=lambda one: len(one.steps))


def summary(found: list[Journey]) -> Iterator[str]:
    """A line for each journey; the ratio is its seconds over ours. What stopped has no seconds."""
    ours = next((one.seconds for one in found if one.name == OURS and not one.stopped), None)
    yield (
        "| journey | commands | lines by hand | seconds | times ours | packages | train function | rest |"
        " processor seconds |"
    )
    yield "| --- |" + " ---: |" * 8
    for one in found:
        if one.stopped:
            yield f"| {one.name} | - | {one.lines} | - | - | - | - | - | - |"
            continue
        ratio = f"{one.seconds / ours:.1f}" if ours else "-"
        fitting = "-" if one.fitting is None else f"{one.fitting:.1f}"
        used = sum(step.processor for step in one.steps)
        figures = f"{one.seconds:.1f} | {ratio} | {one.packages:.1f} | {fitting} | {one.own:.1f} | {used:.1f}"
        yield f"| {one.name} | {one.commands} | {one.lines} | {figures} |"


def steps(found: list[Journey]) -> Iterator[str]:
    """Each command of each journey, and where one stopped."""
    yield "| journey | command | seconds | packages | processor seconds |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for one in found:
        for step in one.steps:
            yield f"| {one.name} | {step.name} | {step.seconds:.2f} | {step.packages:.2f} | {step.processor:.2f} |"
        if one.stopped:
            yield f"| {one.name} | stopped: {one.stopped.replace('|', ' ')} | - | - | - |"


def verdicts(found: list[Journey], models: int, checks: list[float]) -> Iterator[Verdict]:
    """Ours in all, ours without packages and training, and ``make check``."""
    for one in found:
        if one.name == OURS and not one.stopped:
            yield _under("empty folder to first answer", one.seconds, IN_ALL)
            yield _under("the same, without packages and the train function", one.own, OWN)
        elif one.name == OURS:
            yield Verdict("empty folder to first answer", "process", one.stopped, f"under {IN_ALL:g} s", met=False)
    if checks:
        yield _under(f"make check, {models} models, median of {len(checks)}", statistics.median(checks), CHECK)


def _under(what: str, seconds: float, limit: float) -> Verdict:
    return Verdict(what, "process", f"{seconds:.2f} s", f"under {limit:g} s", seconds < limit)
