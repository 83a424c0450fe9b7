"""make track-sync, and what other verbs need of the tracker: an uploader, the registry."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.training import OWN, TRACKING
from trainyard.host.operations.live_upload import tracker_of
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import upload_runs
from trainyard.host.support import console


def track_sync(session: Session, _: Path) -> None:
    """Upload what the tracker does not have of the runs that have ended, but of those that tracked themselves.

    Raises:
        TrainyardError: there is no tracker, or some runs could not be uploaded.
    """
    tracker = tracker_of(session)
    if tracker is None:
        raise TrainyardError("there is no tracking server", "make track DETACH=1, or set TRACKING_URI")
    found = list(runs_of(session.repository.projects(), session.reporter))
    unreadable = [one for one in found if isinstance(one, TrainyardError)]
    for complaint in unreadable:
        session.reporter.warn(str(complaint))
    runs = [run for run in found if isinstance(run, Run) and run.status != "running"]
    own = {run.id for run in runs if run.tags.get(TRACKING) == OWN}
    runs = [run for run in runs if not own.intersection((run.id, run.parent))]
    if session.commands.dry_run:
        console.result(f"upload what is missing of {len(runs)} runs to {tracker.shown}")
        return
    uploads = upload_runs(session, tracker, runs)
    there = len(runs) - uploads.done - uploads.failed
    session.reporter.step(f"Uploaded {uploads.done} of {len(runs)} runs to {tracker.shown}; {there} were there")
    if failed := uploads.failed + len(unreadable):
        of = f"{failed} of {len(runs) + len(unreadable)} runs"
        raise TrainyardError(f"{of} could not be uploaded: each is named above", "", EXIT_FAILED)
