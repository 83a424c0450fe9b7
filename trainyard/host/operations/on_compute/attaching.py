"""Coming back to a run that was left on its compute: to follow it home, to look at it, to end it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import replace

from trainyard.contract import run_folder
from trainyard.errors import TrainyardError
from trainyard.host.compute.base import Compute
from trainyard.host.compute.following import Listener
from trainyard.host.compute.opening import open_compute
from trainyard.host.compute.placed import Placed, read_placed
from trainyard.host.compute.submitted import SubmittedTasks
from trainyard.host.engines.base import Mount
from trainyard.host.engines.container_output import Output
from trainyard.host.experiments.origin import Origin
from trainyard.host.experiments.run_files import Run, end_run, runs_of
from trainyard.host.experiments.training import Training
from trainyard.host.operations.dvc_notes import keep_for_dvc
from trainyard.host.operations.live_upload import tracker_of
from trainyard.host.operations.mounts import models_folder
from trainyard.host.operations.own_tracking import PASSWORD
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import tracked_and_compared, trained
from trainyard.host.support.processes import started_at


def attach(session: Session, run: Run) -> Run:
    """Follow a run until it is home; what becomes of it then is what becomes of any training.

    Raises:
        TrainyardError: it is not on a compute, or another process follows it; or as a training does.
    """
    placed_on_compute(run)
    if run.kind == "tuning":
        raise TrainyardError(f"{run.id} is a tuning, which goes on from here", "make tune RESUME=1")
    if _is_followed(run):
        raise TrainyardError(f"{run.id} is followed by process {run.pid} already", f"make logs ID={run.id} shows it")
    run = followed_anew(run)
    training = _training_again(session, run)
    run = tracked_and_compared(session, training, trained(session, training, run))
    keep_for_dvc(session, training.model)
    return run


def followed_anew(run: Run) -> Run:
    """A run on a compute, which this process looks after from now on. It is told from the beginning."""
    run = run.taken_over()
    for name in (run_folder.LOG, run_folder.METRICS):
        run.files.remove(name)
    return run


def left_of_tuning(session: Session, training: Training) -> Run | None:
    """The final training of a tuning whose process died, where it goes on on its compute; one of other parameters, or
    of another image, is ended.

    Raises:
        TrainyardError: another process follows it, or its compute does not answer.
    """
    for run in runs_of([training.model.project], session.reporter):
        if not isinstance(run, Run) or run.parent != training.parent or run.kind != "training":
            continue
        placed = read_placed(run.folder)
        if run.status != "running" or placed is None or placed.over:
            continue
        if _is_followed(run):
            raise TrainyardError(f"{run.id} is followed by process {run.pid} already", "wait until it has ended")
        is_same = (run.compute, run.built.get("identity", "")) == (training.compute, training.origin.identity)
        if is_same and json.dumps(run.payload) == json.dumps(training.payload, default=str):
            return run
        cancel(session, run)
    return None


def _is_followed(run: Run) -> bool:
    is_here = run.host == socket.gethostname() and run.pid != os.getpid()
    return is_here and bool(run.pid_started) and started_at(run.pid) == run.pid_started


def _training_again(session: Session, run: Run) -> Training:
    """What was submitted, as far as it is needed when it is over."""
    model = session.repository.model(session.repository.root / "projects" / run.model)
    built = run.built
    origin = Origin(
        built.get("image", ""), built.get("id", ""), built.get("identity", ""), built.get("commit", ""),
        run.tags.get("commit", ""), engine=run.tags.get("engine", ""),
    )  # fmt: skip
    mounts = (Mount("models", models_folder(session, model.project)),)
    again = Training(model, origin, run.payload, mounts, run.tags, run.parent, True, compute=run.compute)
    # Its files may not be there yet, and its secrets were not written down.
    tracker = tracker_of(session) if again.tracks_itself else None
    secrets = {PASSWORD: tracker.password} if tracker and tracker.password else {}
    return replace(again, environment=secrets)


def placed_on_compute(run: Run) -> Placed:
    """Raises:
    TrainyardError: the run is not on a compute, or is over."""
    placed = read_placed(run.folder)
    if placed is None or not run.compute:
        if run.compute:
            raise TrainyardError(f"{run.id} was not submitted to {run.compute}: {run.status}", "train again")
        raise TrainyardError(f"{run.id} ran on this machine" if run.status != "running" else f"{run.id} runs here")
    if placed.over or run.status != "running":
        raise TrainyardError(f"{run.id} is over: {run.status}", f"make run-show ID={run.id}")
    return placed


def cancel(session: Session, run: Run) -> Run:
    """End a run on its compute, and remove what is left of it there; the run, interrupted.

    Raises:
        TrainyardError: it is not on a compute, or that does not answer.
    """
    placed = placed_on_compute(run)
    compute = _compute_of(session, run)
    placed.saved(run.folder, over=True)  # whoever follows it shall not begin it again
    with session.reporter.waiting(f"Ending {placed.task} on {compute.name} ..."):
        compute.clean_up(placed.task)
    SubmittedTasks(session.repository.state).forget(placed.task)
    return end_run(run, "interrupted", session.reporter, error="cancelled")


def show_log(session: Session, run: Run, output: Output, *, follow: bool) -> None:
    """What a run has printed so far; with ``follow`` until it has ended.

    Raises:
        TrainyardError: its compute does not answer.
    """
    if run.compute and run.status == "running":
        placed, compute = placed_on_compute(run), _compute_of(session, run)
        compute.follow(placed.task, Listener(None, output, lambda _: None), wait=follow)
        return
    with contextlib.suppress(FileNotFoundError):
        output(run.files.read(run_folder.LOG), False)


def _compute_of(session: Session, run: Run) -> Compute:
    return open_compute(session.repository.root, run.compute, session.computing, session.reporter).compute
