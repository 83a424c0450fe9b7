"""What jobs leave: files of those that a kill has kept from cleaning up, jobs that are old."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.job import OVER
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.work.job_folder import FOLDER, JobFolder
from trainyard.host.retrain.work.job_session import remove_image, session_in


def tidy(session: Session, store: JobStore, keep_days: int) -> None:
    """Forget jobs that were over so many days ago (0: none), and remove what is left of those that are over. What
    cannot be removed is a warning."""
    try:
        for job_id in store.forget(keep_days) if keep_days else ():
            JobFolder(session.repository.state, job_id).remove()
        for path in (session.repository.state / FOLDER).glob("*/checkout"):
            job = store.find(path.parent.name)
            if job is None or job.state in OVER:
                clean_up(session, JobFolder(session.repository.state, path.parent.name))
    except (SQLAlchemyError, OSError) as error:
        session.reporter.warn(f"old jobs are not removed: {str(error).splitlines()[0]}")


def clean_up(session: Session, folder: JobFolder) -> None:
    """Remove the image and the checkout of a job that nobody carries out. What stays is a warning."""
    for remove in (_remove_image, _remove_checkout):
        try:
            remove(session, folder)
        except (TrainyardError, OSError) as error:
            session.reporter.warn(f"not all of the files of job {folder.job_id} are removed: {error}")


def _remove_image(session: Session, folder: JobFolder) -> None:
    if root := folder.whole_checkout():
        remove_image(session_in(session, root, folder.job_id, {}), folder.job_id)


def _remove_checkout(_: Session, folder: JobFolder) -> None:
    folder.remove_checkout()
