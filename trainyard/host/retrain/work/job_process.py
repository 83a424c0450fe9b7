"""What the process of a job does, from taking it to closing it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from trainyard.errors import EXIT_FAILED, AlreadyPrinted, TrainyardError
from trainyard.host.experiments.training import LeftRunning
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.database import short
from trainyard.host.retrain.jobs.job import OVER, Job, State, StepName
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.running import remove_left_behind
from trainyard.host.retrain.sources.masking import Mask, Masked
from trainyard.host.retrain.work.checkout import check_out
from trainyard.host.retrain.work.deploying import deploy
from trainyard.host.retrain.work.disk_watch import watched_disk
from trainyard.host.retrain.work.job_folder import FOLDER, JobFolder, TakenError
from trainyard.host.retrain.work.job_session import check_tracker, close_runs, session_in, stop_containers
from trainyard.host.retrain.work.orphans import end_orphans
from trainyard.host.retrain.work.steps import Task, carry_out_steps
from trainyard.host.retrain.work.tidying import clean_up
from trainyard.host.support.command import Limit
from trainyard.settings.retrain import RetrainSettings

_PAUSE = 1.0  # seconds before a database is asked again that is away
LOST = "its credential was in the service's memory alone, and the service has been started again since: ask again"


def carry_out(session: Session, store: JobStore, settings: RetrainSettings, job_id: str, secret: str) -> None:
    """Carry a job out, and close it. A job that another process has, or that is over, is left alone. ``secret`` came
    with the request, and is in nothing that the job says.

    A SIGTERM puts the job back to those that wait, unless it is cancelled: the service is stopped, and goes on later.

    Raises:
        TrainyardError: the database of jobs does not answer.
    """
    folder = JobFolder(session.repository.state, job_id)
    with Masked(session.reporter, [secret] if secret else []) as masked:
        session = replace(session, commands=replace(session.commands, reporter=masked))
        try:
            with folder.held() as before:
                job = store.find(job_id)
                carrying = _Carrying(session, store, settings, job, folder, secret, before) if job else None
                if carrying and carrying.job.state is State.RUNNING:
                    carrying.out()
                elif carrying and carrying.job.state in OVER:
                    carrying.tidy_up()
        except TakenError:
            session.reporter.warn(f"job {job_id} is carried out by another process")
        except SQLAlchemyError as error:  # the service finds that nobody carries it out any more
            raise TrainyardError(f"the database of jobs: {short(error)}", "", EXIT_FAILED) from None


@dataclass(frozen=True)
class _Carrying:
    """One job, held by this process; ``before`` is the process that held it before."""

    session: Session
    store: JobStore
    settings: RetrainSettings
    job: Job
    folder: JobFolder
    secret: str
    before: int

    def tidy_up(self) -> None:
        """Remove what is left of a job that is over."""
        with contextlib.suppress(TrainyardError, OSError):  # what stays is a warning
            self._stop_what_was_left()
        clean_up(self.session, self.folder)

    def out(self) -> None:
        ended = False
        try:
            self._stop_what_was_left()
            if not (ended := self._ended_before()):
                with watched_disk(self.folder.checkout, self._session_there, self.settings.disk_mb, self._too_large):
                    ended = self._carried_out()
        except LeftRunning as error:
            self.session.reporter.warn(error.message)
            ended = self._ended_by_signal(begun=not isinstance(error.__context__, SystemExit))
        except TrainyardError as error:
            if not isinstance(error, AlreadyPrinted):
                self.session.reporter.warn(str(error))
            ended = self._end(State.FAILED, str(error))
        except (SystemExit, KeyboardInterrupt):
            ended = self._ended_by_signal()
        except SQLAlchemyError:
            raise
        except OSError as error:  # a full disk, mostly
            reason = f"{error.filename or 'its files'}: {error.strerror or error}"
            self.session.reporter.warn(reason)
            ended = self._end(State.FAILED, reason)
        except Exception as error:
            ended = self._end(State.FAILED, f"a bug in Trainyard ({type(error).__name__}: {error})")
            raise
        finally:
            if ended:
                clean_up(self.session, self.folder)

    def _end(self, state: State, reason: str = "") -> bool:
        mask = Mask([self.secret] if self.secret else [])
        self._patiently(lambda: self.store.end(self.job.id, state, mask.text(reason)))
        return True

    def _ended_by_signal(self, *, begun: bool = False) -> bool:
        """``begun``: it was no signal, and counts as a try."""
        now = self.store.find(self.job.id)
        if now and now.stopping:
            return self.store.end_stopped(now)
        self.session.reporter.step(
            "The job begins again" if begun else "The service is stopped: the job begins again with it"
        )
        self.store.wait_again(self.job, begun=begun)
        return False

    def _ended_before(self) -> bool:
        """Whether it is not to be carried out any more."""
        if self.job.stopping:
            return self.store.end_stopped(self.job)
        if self.job.secret and not self.secret and not self.folder.whole_checkout():
            return self._end(State.FAILED, LOST)
        if self.job.tries > self.settings.tries:
            return self._end(
                State.FAILED, f"its process ended {self.job.tries - 1} times before the job was over: see the log"
            )
        return False

    def _carried_out(self) -> bool:
        request = RetrainRequest.model_validate(self.job.request)
        check_tracker(self.session)
        self._step(StepName.FETCH)
        task = Task(self.job.id, request, self._fetched(request), own=not request.git_uri, compute=self.job.compute)
        run = carry_out_steps(self.session, task, self._step, self._note)
        if request.deploy and run:
            self._step(StepName.DEPLOY)
            limit = Limit("RETRAIN_DEPLOY_TIMEOUT", self.settings.deploy_timeout)
            deploy(self.session, run, limit, self.settings.served)
        return self._end(State.SUCCEEDED)

    def _fetched(self, request: RetrainRequest) -> Path:
        """Where the monorepo is; a checkout that a process which was killed has left whole is used."""
        if root := self.folder.whole_checkout():
            return root
        self.folder.remove_checkout()
        asked = request.model_copy(update={"commit_hash": self.job.commit or request.commit_hash})
        checkout = check_out(self.session, asked, self.folder.checkout, self.settings, self.secret)
        self._note(commit=checkout.commit)
        self.folder.note_whole(checkout.root)
        return checkout.root

    def _step(self, name: StepName) -> None:
        self.session.reporter.step(f"Step {name}")
        self._patiently(lambda: self.store.next_step(self.job.id, name))

    def _note(self, **found: object) -> None:
        self._patiently(lambda: self.store.note(self.job.id, **found))

    def _patiently(self, write: Callable[[], object]) -> None:
        """A job waits for a database that is away, as while it is started again; RETRAIN_TIMEOUT ends that, too."""
        complained = False
        while True:
            try:
                write()
                return
            except SQLAlchemyError as error:
                if not complained:
                    self.session.reporter.warn(f"the database of jobs: {short(error)}; the job waits for it")
                complained = True
                time.sleep(_PAUSE)

    def _too_large(self, reason: str) -> None:
        """End this process, with all that it has started, as the service does."""
        with contextlib.suppress(SQLAlchemyError):  # it is looked at again
            self.store.stop(self.job.id, reason)
            os.killpg(os.getpgrp(), signal.SIGTERM)

    def _session_there(self) -> Session | None:
        root = self.folder.whole_checkout()
        return session_in(self.session, root, self.job.id, {}) if root else None

    def _stop_what_was_left(self) -> None:
        """End what an earlier process of the job may have left running."""
        end_orphans(self.before)
        if not self.before:
            return
        remove_left_behind(self.job.id, self.session.repository.state / FOLDER, self.session.reporter)
        if there := self._session_there():
            stop_containers(there, self.job.id)
            close_runs(there, self.job.id)
