"""Runs that are uploaded while they go. Where nobody tracks them, nothing more is imported."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from trainyard.errors import TrainyardError
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tracking.tracker import Tracker, chosen_tracker
from trainyard.host.operations.session import Session

if TYPE_CHECKING:
    from trainyard.host.experiments.tracking.live import Live
    from trainyard.host.experiments.tracking.sync import Uploader


def tracked(session: Session, run: Run) -> AbstractContextManager[Live | None]:
    """Upload a run while the block runs, where there is a tracker.

    Raises:
        TrainyardError: TRACKING_URI is not the URL of a server.
    """
    tracker = tracker_of(session)
    if tracker is None:
        return contextlib.nullcontext()
    from trainyard.host.experiments.tracking.live import Live

    return Live(run, lambda: uploader_to(session, tracker), tracker.shown, session.reporter)


def is_tracked(session: Session) -> bool:
    """Whether there is a tracker."""
    return tracker_of(session) is not None


def tracker_of(session: Session) -> Tracker | None:
    """Where runs are logged to now; None where nobody wants to know of them."""
    return chosen_tracker(session.experiments, session.repository.root)


def upload_rest(session: Session, run: Run) -> None:
    """What was written down of a run after it was uploaded; a tracker that fails gets it by make track-sync."""
    tracker = tracker_of(session)
    if tracker is None:
        return
    try:
        uploader_to(session, tracker).upload(run)
    except TrainyardError as error:
        session.reporter.warn(f"{error}; make track-sync uploads the rest of run {run.id}")


def uploader_to(session: Session, tracker: Tracker) -> Uploader:
    """Uploads runs to ``tracker``, which is asked nothing yet.

    Raises:
        TrainyardError: MLflow is not installed.
    """
    from trainyard.host.experiments.tracking.mlflow_client import connect
    from trainyard.host.experiments.tracking.sync import Uploader

    connection = connect(tracker, session.experiments.tracking_timeout)
    return Uploader(connection, session.repository.state / "locks", session.settings.lock_timeout, session.reporter)
