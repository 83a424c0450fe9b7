"""What is to be reached (issue 4), and whether what was measured reaches it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.builds.generated import Generated

Found = dict[str, dict[str, list[float]]]  # seconds by case and way
BASELINE = "baseline"
# Times faster than the baseline.
FASTER = {"edit": 25.0, "first": 3.0, "project": 3.0}
AT_MOST = {"unchanged": 2.0}
EDIT_OF_PROCESS = 1.0
AS_FAST = 1.25  # times an edit: as fast as one, but for what differs from one run to the next
SHARED = 1.1  # times the largest image
OVER_PACKAGES = 5 * 2**20
LISTED, PLANNED = 1.0, 3.0
MEGABYTE = 1e6


@dataclass(frozen=True)
class Verdict:
    """One figure, and what it should be."""

    what: str
    way: str
    figure: str
    target: str
    met: bool

    @property
    def line(self) -> str:
        return f"| {self.what} | {self.way} | {self.figure} | {self.target} | {'met' if self.met else '**not met**'} |"


def of_times(found: Found, words: dict[str, str]) -> Iterator[Verdict]:
    """The cases that are timed; those against the baseline only where it was measured."""
    medians = {case: {way: statistics.median(took) for way, took in ways.items()} for case, ways in found.items()}
    for case, ways in medians.items():
        for way, seconds in ways.items():
            if way == BASELINE:
                continue
            if case in FASTER and BASELINE in ways:
                ratio, wanted = ways[BASELINE] / seconds, FASTER[case]
                yield Verdict(words[case], way, f"{ratio:.1f}x", f"at least {wanted:g}x", ratio >= wanted)
            if case == "edit" and way == "process":
                yield _seconds(words[case], way, seconds, EDIT_OF_PROCESS)
            if case in AT_MOST:
                yield _seconds(words[case], way, seconds, AT_MOST[case])
            if case == "second" and way in medians.get("edit", {}):
                ratio = seconds / medians["edit"][way]
                yield Verdict(words[case], way, f"{ratio:.2f} edits", f"at most {AS_FAST:g}", ratio <= AS_FAST)


def of_shared(way: str, unique: int, largest: int) -> Verdict:
    figure = f"{unique / largest:.3f} ({unique / MEGABYTE:.0f} MB, {largest / MEGABYTE:.0f} MB)"
    return Verdict(
        "all images of a project over its largest", way, figure, f"at most {SHARED}", unique <= SHARED * largest
    )


def of_size(way: str, own: int, packages: int) -> Verdict:
    figure = f"{own / MEGABYTE:.1f} MB, packages {packages / MEGABYTE:.1f} MB"
    return Verdict("predict image over its base", way, figure, "packages + 5 MiB", own <= packages + OVER_PACKAGES)


def of_generated(many: Generated) -> Iterator[Verdict]:
    for way, seconds in many.listed.items():
        yield _seconds(f"{many.count} models: make list", way, seconds, LISTED)
    for way, seconds in many.planned.items():
        yield _seconds(f"{many.count} models: make -n build-all", way, seconds, PLANNED)
    expected = many.after_edit == many.expected
    built = ", ".join(many.after_edit) or "nothing"
    yield Verdict(f"{many.count} models: an edit of one builds", "process", built, "that one's two", expected)


def _seconds(what: str, way: str, seconds: float, most: float) -> Verdict:
    return Verdict(what, way, f"{seconds:.2f} s", f"under {most:g} s", seconds < most)
