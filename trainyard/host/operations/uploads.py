"""Uploads of runs that have ended, and the registry: both need MLflow's client."""

from __future__ import annotations

from trainyard.errors import TrainyardError
from trainyard.host.experiments.registry.versions import Registry
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.tracking.all_runs import Uploads, upload_all
from trainyard.host.experiments.tracking.server import check_drivers
from trainyard.host.experiments.tracking.tracker import FOLDER, Tracker, tracker_or_store
from trainyard.host.operations.live_upload import tracker_of, uploader_to
from trainyard.host.operations.session import Session


def open_registry(session: Session) -> Registry:
    """The registry of the tracker; where no server runs, that of ``make track``'s database."""
    root = session.repository.root
    tracker = tracker_or_store(session.experiments, root)
    if tracker.artifacts:
        check_drivers(session.experiments)
        (root / FOLDER).mkdir(exist_ok=True)
    return Registry(uploader_to(session, tracker))


def track_family(session: Session, parent: Run) -> None:
    """Upload a tuning that is over, and its trials. What fails costs warnings: the tuning is what it is."""
    if (tracker := tracker_of(session)) is None:
        return
    found = runs_of([parent.folder.parent.parent], session.reporter)
    runs = [run for run in found if isinstance(run, Run) and parent.id in (run.id, run.parent)]
    try:
        failed = upload_runs(session, tracker, [run for run in runs if run.status != "running"]).failed
    except TrainyardError as error:
        session.reporter.warn(str(error))
        failed = len(runs)
    if failed:
        session.reporter.warn(
            f"{failed} of {len(runs)} runs of {parent.id} were not uploaded: make track-sync does it later"
        )


def upload_runs(session: Session, tracker: Tracker, runs: list[Run]) -> Uploads:
    """Upload what is missing, and warn of each run that could not be."""
    with session.reporter.progress() as say:
        uploads = upload_all(uploader_to(session, tracker), runs, say)
    for failure in uploads.failures:
        session.reporter.warn(failure)
    if uploads.untried:
        session.reporter.warn(f"{uploads.untried} more were not tried: {tracker.shown} is gone")
    return uploads
