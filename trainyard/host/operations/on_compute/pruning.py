"""What is left on computes that nobody wants any more: tasks of dead clients, and data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.compute.base import Compute, FoundTask, KeepsData, KeepsStorage
from trainyard.host.compute.compute_file import Computes, Kubernetes, read_computes
from trainyard.host.compute.opening import opened
from trainyard.host.compute.placed import read_placed
from trainyard.host.experiments.run_files import FOLDER, begun, read_run
from trainyard.host.operations.on_compute.training import clone_mark
from trainyard.host.operations.session import Session
from trainyard.host.support.reporter import Reporter


@dataclass(frozen=True)
class Leftover:
    """``task`` is empty where it is data; ``image`` looks for that in a storage, and what it finds is not known yet."""

    compute: Compute
    task: str
    what: str
    why: str
    image: str = ""


def leftovers(session: Session) -> list[Leftover]:
    """Of every compute. One that does not answer is a warning, and keeps nothing from the others."""
    try:
        computes = read_computes(session.repository.root)
    except TrainyardError as error:
        session.reporter.warn(f"no compute is looked at: {error}")
        return []
    with ThreadPoolExecutor(max(1, len(computes.entries))) as pool:
        found = [
            one
            for some in pool.map(lambda name: _of_compute(session, computes, name), computes.entries)
            for one in some
        ]
    # Two computes may be one place.
    tasks = {one.task: one for one in reversed(found) if one.task}
    return [*reversed(tasks.values()), *(one for one in found if not one.task)]


def _of_compute(session: Session, computes: Computes, name: str) -> list[Leftover]:
    root = session.repository.root
    try:
        there = opened(computes, name, session.computing, session.reporter)
        compute = there.compute
        tasks, mark = compute.tasks(), clone_mark(root)
        # After the tasks: the folder of a run is there before its task is.
        runs = {path.name: path for path in root.glob(f"projects/*/{FOLDER}/*")}
        found = [
            Leftover(compute, task.name, task.name, why)
            for task in tasks
            if (why := _why_unwanted(task, mark, runs, session.reporter))
        ]
        days = session.settings.prune_data_days
        if isinstance(compute, KeepsData) and (size := compute.drop_data(days, dry_run=True)):
            found.append(Leftover(compute, "", _shown(size), f"unread for {days} days"))
        if isinstance(there.entry, Kubernetes) and there.entry.claim and (image := _image_on(name, runs)):
            found.append(Leftover(compute, "", "data in the storage", f"unread for {days} days", image))
        return found
    except TrainyardError as error:
        session.reporter.warn(f"{error}: what is left there stays")
        return []


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB of data"


def _image_on(compute: str, runs: Mapping[str, Path]) -> str:
    """The newest image that a run here has used there; empty where there is none."""
    for name in sorted(runs, key=begun, reverse=True):
        with contextlib.suppress(TrainyardError):  # make runs names it
            placed = read_placed(runs[name])
            if placed and placed.compute == compute and placed.image:
                return placed.image
    return ""


def _why_unwanted(task: FoundTask, mark: str, runs: Mapping[str, Path], reporter: Reporter) -> str:
    """Empty where somebody may want it. Of another clone only its deadline is known."""
    if task.until and task.until < time.time():
        return "its time is over"
    if task.clone != mark:
        return ""
    if task.run not in runs:
        return "its run is gone"
    try:
        run = read_run(runs[task.run], reporter)
    except TrainyardError:  # make runs names it
        return ""
    return "" if run.status == "running" else f"its run is over: {run.status}"


def remove(session: Session, one: Leftover) -> str:
    """What was removed, in words; empty where there was nothing.

    Raises:
        TrainyardError: the compute does not answer.
    """
    days = session.settings.prune_data_days
    if one.task:
        one.compute.clean_up(one.task)
    elif one.image and isinstance(one.compute, KeepsStorage):
        size = one.compute.trim_storage(one.image, days)
        return _shown(size) if size else ""
    elif isinstance(one.compute, KeepsData):
        one.compute.drop_data(days, dry_run=False)
    return one.what
