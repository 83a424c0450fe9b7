"""make track-sync, and what other verbs need of the tracker: an uploader, the registry."""

from __future__ import annotations

from pathlib import Path

from trainyard import console
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.experiments.registry.versions import Registry
from trainyard.experiments.run_files import Run, runs_of
from trainyard.experiments.tracking.connection import TrackingError
from trainyard.experiments.tracking.server import check_drivers
from trainyard.experiments.tracking.sync import known_runs, upload_all
from trainyard.experiments.tracking.tracker import FOLDER, Tracker, tracker_or_store
from trainyard.experiments.tracking.values import experiment_of
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


def track_family(session: Session, parent: Run) -> None:
    """Upload a tuning that is over, and its trials. A tracker that fails costs a warning."""
    if (tracker := tracker_of(session)) is None:
        return
    found = runs_of([parent.folder.parent.parent])
    runs = [run for run in found if isinstance(run, Run) and parent.id in (run.id, run.parent)]
    try:
        _, failed = _sync(session, tracker, [run for run in runs if run.status != "running"])
    except TrackingError as error:
        failed = [str(error)]
    if failed:
        console.warn(f"{failed[0]}; make track-sync uploads the rest")


def _sync(session: Session, tracker: Tracker, runs: list[Run]) -> tuple[int, list[str]]:
    uploader = uploader_to(session, tracker)
    there = known_runs(uploader.connection, {experiment_of(run) for run in runs})
    for run in runs:
        if run.id not in there and uploader.mlflow_run(run):
            uploader.forget(run)
    missing = [run for run in runs if not uploader.is_there(run)]
    with console.progress() as say:
        return upload_all(uploader, missing, say)
