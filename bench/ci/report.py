"""The tables, what was to be reached, and whether it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from statistics import median

from bench.builds.generated import OF_PROJECT
from bench.builds.targets import Verdict
from bench.ci.cases import Job
from trainyard.host.monorepo.model_dir import ROLES

Found = dict[str, list[Job]]  # by case
ALL, EDIT, AGAIN = "all of them", "an edit of one model", "the same commit again"
PROJECT, SHARED, DOCS = "shared code of a project", "shared code of all, planned", "docs alone"
SHARE, PLAN = 30, 2.0  # an edit of one costs less than all over this; seconds of make affected
PLANNING = "make affected"


def judged(found: Found, engine: str, count: int) -> Iterator[Verdict]:
    """Ratios are to all of them, in the same run."""
    shares = {
        "seconds": _seconds(found[ALL]) / _seconds(found[EDIT]),
        "bytes pushed": _bytes(found[ALL]) / _bytes(found[EDIT]),
    }
    for what, ratio in shares.items():
        yield Verdict(f"{EDIT}, {what}", engine, f"1/{ratio:.1f} of all", f"under 1/{SHARE}", ratio > SHARE)
    longest = max(job.seconds[PLANNING] for jobs in found.values() for job in jobs if PLANNING in job.seconds)
    yield Verdict(f"{PLANNING}, the longest", engine, f"{longest:.2f} s", f"under {PLAN:g} s", longest < PLAN)
    for case, touched in ((EDIT, 1), (PROJECT, min(OF_PROJECT, count))):
        wanted = (touched, len(ROLES) * touched, touched)
        exact = all((job.affected, job.built, job.trained) == wanted for job in found[case])
        yield Verdict(case, engine, found[case][0].did, f"{wanted[1]} built, {touched} trained", exact)
    for case in (AGAIN, DOCS):
        did = next((job.did for job in found[case] if job.did), "nothing")
        yield Verdict(f"{case}, in {_seconds(found[case]):.1f} s", engine, did, "nothing", did == "nothing")


def text(found: Found, verdicts: list[Verdict], engine: str, count: int) -> str:
    """All that there is to say."""
    return "\n".join(
        [
            f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores, {engine}, load {os.getloadavg()[0]:.1f};"
            f" {count} models. Medians.",
            "",
            *_table(found),
            "",
            *_steps(found),
            "",
            *(f"- {one.what}: {one.figure} ({one.target}: {_mark(one.met)})" for one in verdicts),
        ]
    )


def _table(found: Found) -> Iterator[str]:
    columns = "jobs, models, built, trained, seconds, share, processor seconds, kB pushed, git, DVC, images, share"
    yield f"| case | {columns.replace(', ', ' | ')} |"
    yield "| --- |" + " --: |" * 12
    for case, jobs in found.items():
        one = jobs[0]
        pushed = [
            median(getattr(job.pushed, name) for job in jobs) / 1000 for name in ("total", "git", "dvc", "images")
        ]
        cells = [
            len(jobs), one.affected, one.built, one.trained, f"{_seconds(jobs):.1f}",
            _share(_seconds(jobs), _seconds(found[ALL])), f"{median(job.processor for job in jobs):.1f}",
            *(f"{value:.1f}" for value in pushed),
            _share(_bytes(jobs), _bytes(found[ALL])),
        ]  # fmt: skip
        yield f"| {case} | {' | '.join(map(str, cells))} |"


def _steps(found: Found) -> Iterator[str]:
    """Seconds of each step: a column for each case."""
    names = dict.fromkeys(step for jobs in found.values() for job in jobs for step in job.seconds)
    yield f"| seconds | {' | '.join(found)} |"
    yield "| --- |" + " --: |" * len(found)
    for name in names:
        taken = ([job.seconds[name] for job in jobs if name in job.seconds] for jobs in found.values())
        yield f"| {name} | {' | '.join(f'{median(took):.2f}' if took else '-' for took in taken)} |"


def _share(part: float, whole: float) -> str:
    return f"1/{whole / part:.1f}" if part else "0"


def _seconds(jobs: list[Job]) -> float:
    return median(job.total for job in jobs)


def _bytes(jobs: list[Job]) -> float:
    return median(job.pushed.total for job in jobs)


def _mark(reached: bool) -> str:
    return "reached" if reached else "MISSED"
