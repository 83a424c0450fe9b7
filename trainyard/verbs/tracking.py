"""make track-sync, and what other verbs need of the tracker: an uploader, the registry."""

from __future__ import annotations

from pathlib import Path

from trainyard import console
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.experiments.registry.versions import Registry
from trainyard.experiments.run_files import Run, runs_of
from trainyard.experiments.tracking.all_runs import Uploads, upload_all
from trainyard.experiments.tracking.server import check_drivers
from trainyard.experiments.tracking.tracker import FOLDER, Tracker, tracker_or_store
from trainyard.experiments.training import OWN, TRACKING
from trainyard.verbs.session import Session
from trainyard.verbs.tracked import tracker_of, uploader_to


def open_registry(session: Session) -> Registry:
    """The registry of the tracker; where no server runs, that of ``make track``'s database."""
    root = session.repository.root
    tracker = tracker_or_store(session.experiments, root)
    if tracker.artifacts:
        check_drivers(session.experiments)
        (root / FOLDER).mkdir(exist_ok=True)
    return Registry(uploader_to(session, tracker))


def track_sync(session: Session, _: Path) -> None:
    """Upload what the tracker does not have of the runs that have ended, but of those that tracked themselves.

    Raises:
        TrainyardError: there is no tracker, or some runs could not be uploaded.
    """
    tracker = tracker_of(session)
    if tracker is None:
        raise TrainyardError("there is no tracking server", "make track DETACH=1, or set TRACKING_URI")
    found = list(runs_of(session.repository.projects()))
    unreadable = [one for one in found if isinstance(one, TrainyardError)]
    for complaint in unreadable:
        console.warn(str(complaint))
    runs = [run for run in found if isinstance(run, Run) and run.status != "running"]
    own = {run.id for run in runs if run.tags.get(TRACKING) == OWN}
    runs = [run for run in runs if not own.intersection((run.id, run.parent))]
    if session.commands.dry_run:
        console.result(f"upload what is missing of {len(runs)} runs to {tracker.shown}")
        return
    uploads = _sync(session, tracker, runs)
    there = len(runs) - uploads.done - uploads.failed
    console.step(f"Uploaded {uploads.done} of {len(runs)} runs to {tracker.shown}; {there} were there")
    if failed := uploads.failed + len(unreadable):
        of = f"{failed} of {len(runs) + len(unreadable)} runs"
        raise TrainyardError(f"{of} could not be uploaded: each is named above", "", EXIT_FAILED)


def track_family(session: Session, parent: Run) -> None:
    """Upload a tuning that is over, and its trials. What fails costs warnings: the tuning is what it is."""
    if (tracker := tracker_of(session)) is None:
        return
    found = runs_of([parent.folder.parent.parent])
    runs = [run for run in found if isinstance(run, Run) and parent.id in (run.id, run.parent)]
    try:
        failed = _sync(session, tracker, [run for run in runs if run.status != "running"]).failed
    except TrainyardError as error:
        console.warn(str(error))
        failed = len(runs)
    if failed:
        console.warn(f"{failed} of {len(runs)} runs of {parent.id} were not uploaded: make track-sync does it later")


def _sync(session: Session, tracker: Tracker, runs: list[Run]) -> Uploads:
    """Upload what is missing, and warn of each run that could not be."""
    with console.progress() as say:
        uploads = upload_all(uploader_to(session, tracker), runs, say)
    for failure in uploads.failures:
        console.warn(failure)
    if uploads.untried:
        console.warn(f"{uploads.untried} more were not tried: {tracker.shown} is gone")
    return uploads
