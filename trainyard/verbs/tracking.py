"""make track-sync, and what other verbs need of the tracker: runs uploaded while they go, the registry."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path

from trainyard import console
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.experiments.connection import connect
from trainyard.experiments.live import Live
from trainyard.experiments.registry import Registry
from trainyard.experiments.run_files import Run, runs_of
from trainyard.experiments.sync import Uploader, known_runs, upload_all
from trainyard.experiments.tracked_values import experiment_of
from trainyard.experiments.tracker import Tracker, chosen_tracker, tracker_or_store
from trainyard.verbs.session import Session


def tracked(session: Session, run: Run) -> AbstractContextManager[Live | None]:
    """Upload a run while the block runs, where there is a tracker.

    Raises:
        TrainyardError: TRACKING_URI is not the URL of a server.
    """
    tracker = tracker_of(session)
    if tracker is None:
        return contextlib.nullcontext()
    return Live(run, lambda: uploader_to(session, tracker), tracker.shown)


def tracker_of(session: Session) -> Tracker | None:
    """Where runs are logged to now; None where nobody wants to know of them."""
    return chosen_tracker(session.experiments, session.repository.root)


def uploader_to(session: Session, tracker: Tracker) -> Uploader:
    """Uploads runs to ``tracker``; it is asked nothing yet."""
    connection = connect(tracker, session.experiments.tracking_timeout)
    return Uploader(connection, session.repository.state / "locks", session.settings.lock_timeout)


def open_registry(session: Session) -> Registry:
    """The registry of the tracker; where no server runs, that of ``make track``'s database."""
    tracker = tracker_or_store(session.experiments, session.repository.root)
    return Registry(uploader_to(session, tracker))


def track_sync(session: Session, _: Path) -> None:
    """Upload what the tracker does not have of the runs that have ended.

    Raises:
        TrainyardError: there is no tracker, or some runs could not be uploaded.
    """
    tracker = tracker_of(session)
    if tracker is None:
        raise TrainyardError("there is no tracking server", "make track DETACH=1, or set TRACKING_URI")
    found = list(runs_of(session.repository.projects()))
    for complaint in (one for one in found if isinstance(one, TrainyardError)):
        console.warn(str(complaint))
    runs = [run for run in found if isinstance(run, Run) and run.status != "running"]
    if session.commands.dry_run:
        console.result(f"upload what is missing of {len(runs)} runs to {tracker.shown}")
        return
    done, failed = _sync(session, tracker, runs)
    console.step(f"Uploaded {done} of {len(runs)} runs to {tracker.shown}; {len(runs) - done - len(failed)} were there")
    if failed:
        raise TrainyardError(f"{len(failed)} of {len(runs)} runs could not be uploaded: {failed[0]}", "", EXIT_FAILED)


def _sync(session: Session, tracker: Tracker, runs: list[Run]) -> tuple[int, list[str]]:
    uploader = uploader_to(session, tracker)
    there = known_runs(uploader.connection, {experiment_of(run) for run in runs})
    for run in runs:
        if run.id not in there and uploader.mlflow_run(run):
            uploader.forget(run)
    missing = [run for run in runs if not uploader.is_there(run)]
    with console.progress() as say:
        return upload_all(uploader, missing, say)
