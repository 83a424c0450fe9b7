"""What jobs leave: files of those that a kill has kept from cleaning up, jobs that are old."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.database import short
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.work.job_computes import end_trainings
from trainyard.host.retrain.work.job_folder import FOLDER, JobFolder
from trainyard.host.retrain.work.job_session import image_name, remove_image, session_in

_OLD = 86400.0  # seconds: no contest takes so long


def tidy(session: Session, store: JobStore, keep_days: int) -> None:
    """Forget jobs that were over so many days ago (0: none), and remove what is left of those that are over. What
    cannot be removed is a warning."""
    try:
        for job_id in store.forget(keep_days) if keep_days else ():
            JobFolder(session.repository.state, job_id).remove()
        for path in (session.repository.state / FOLDER).glob("*/checkout"):
            job, folder = store.find(path.parent.name), JobFolder(session.repository.state, path.parent.name)
            if (job is None or job.told) and not folder.alive():  # until it is told the dispatcher looks after it
                clean_up(session, folder)
        _remove_old_contests(session.repository.state)
    except (SQLAlchemyError, OSError) as error:
        session.reporter.warn(f"old jobs are not removed: {short(error)}")


def _remove_old_contests(state: Path) -> None:
    """Copies of models that were being compared when a kill came: see ``champion_contest.kept_apart``."""
    for folder in state.glob("contest-*"):
        if time.time() - folder.stat().st_mtime > _OLD:
            shutil.rmtree(folder, ignore_errors=True)


def clean_up(session: Session, folder: JobFolder) -> None:
    """End what a job that nobody carries out has left on a compute, remove its image and its checkout. What stays is a
    warning."""
    for remove in (_end_trainings, _remove_image, _remove_checkout):
        try:
            remove(session, folder)
        except (TrainyardError, OSError) as error:
            session.reporter.warn(f"not all of the files of job {folder.job_id} are removed: {error}")


def _end_trainings(session: Session, folder: JobFolder) -> None:
    if root := folder.whole_checkout():
        end_trainings(session_in(session, root, folder.job_id, {}))


def _remove_image(session: Session, folder: JobFolder) -> None:
    if root := folder.whole_checkout():
        remove_image(session_in(session, root, folder.job_id, {}), folder.job_id)


def _remove_checkout(session: Session, folder: JobFolder) -> None:
    folder.remove_checkout()
    for lock in session.repository.state.glob(f"*/locks/{image_name(folder.job_id)}*"):  # of containers of its own
        lock.unlink(missing_ok=True)
