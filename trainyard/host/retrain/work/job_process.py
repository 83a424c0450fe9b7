"""What the process of a job does, from taking it to closing it."""

from __future__ import annotations

from trainyard.errors import AlreadyPrinted, TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.job import Job, State, StepName
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.work.checkout import check_out
from trainyard.host.retrain.work.deploying import deploy
from trainyard.host.retrain.work.job_folder import JobFolder, TakenError
from trainyard.host.retrain.work.job_session import session_in, stop_containers
from trainyard.host.retrain.work.steps import Task, carry_out_steps
from trainyard.host.retrain.work.tidying import clean_up
from trainyard.host.support.command import Limit
from trainyard.settings.retrain import RetrainSettings


def carry_out(session: Session, store: JobStore, settings: RetrainSettings, job_id: str, secret: str) -> None:
    """Carry a job out, and close it. A job that another process has, or that is over, is left alone.

    A SIGTERM puts the job back to those that wait, unless it is cancelled: the service is stopped, and goes on later.
    """
    folder = JobFolder(session.repository.state, job_id)
    try:
        with folder.held():
            job = store.find(job_id)
            if job and job.state is State.RUNNING:
                _carry_out(session, store, settings, job, folder, secret)
    except TakenError:
        session.reporter.warn(f"job {job_id} is carried out by another process")


def _carry_out(
    session: Session, store: JobStore, settings: RetrainSettings, job: Job, folder: JobFolder, secret: str
) -> None:
    ended = False
    try:
        _clean_up_before(session, job, folder)
        if job.stopping:
            store.end_stopped(job)
        elif job.tries > settings.tries:
            store.end(job.id, State.FAILED, f"its process was killed {job.tries - 1} times: see the log")
        else:
            _steps(session, store, settings, job, folder, secret)
            store.end(job.id, State.SUCCEEDED)
        ended = True
    except AlreadyPrinted as error:
        ended = store.end(job.id, State.FAILED, str(error))
    except TrainyardError as error:
        session.reporter.warn(str(error))
        ended = store.end(job.id, State.FAILED, str(error))
    except (SystemExit, KeyboardInterrupt):
        now = store.find(job.id)
        if now and now.stopping:
            ended = store.end_stopped(now)
        else:
            session.reporter.step("The service is stopped: the job begins again with it")
            store.wait_again(job, begun=False)
    except Exception as error:
        ended = store.end(job.id, State.FAILED, f"a bug in Trainyard ({type(error).__name__}: {error})")
        raise
    finally:
        if ended:
            clean_up(session, folder)


def _steps(
    session: Session, store: JobStore, settings: RetrainSettings, job: Job, folder: JobFolder, secret: str
) -> None:
    request = RetrainRequest.model_validate(job.request)

    def step(name: StepName) -> None:
        session.reporter.step(f"Step {name}")
        store.next_step(job.id, name)

    def note(**found: object) -> None:
        store.note(job.id, **found)

    step(StepName.FETCH)
    # Begun again it is fetched again, which takes less than to find out whether all of it is there.
    folder.remove_checkout()
    asked = request.model_copy(update={"commit_hash": job.commit or request.commit_hash})
    checkout = check_out(session, asked, folder.checkout, settings, secret)
    note(commit=checkout.commit)
    task = Task(job.id, request, checkout.root, own=not request.git_uri)
    run = carry_out_steps(session, task, step, note)
    if request.deploy:
        step(StepName.DEPLOY)
        deploy(session, run, Limit("RETRAIN_DEPLOY_TIMEOUT", settings.deploy_timeout))


def _clean_up_before(session: Session, job: Job, folder: JobFolder) -> None:
    """End what an earlier process of the job may have left running."""
    if job.tries > 1 and folder.checkout.is_dir():
        stop_containers(session_in(session, folder.checkout, job.id, {}), job.id)
