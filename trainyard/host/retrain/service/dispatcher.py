"""Hands waiting jobs to processes, and looks after those that run: a thread of the service.

A process carries its job out and closes it by itself, whatever becomes of the service. Here is found out which have
died before that, which shall be cancelled, and which take too long. Of every job that is over, whoever ended it and
whether or not a service was there, those who want to know are told; what a killed process has left of it is removed.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from trainyard.errors import TrainyardError
from trainyard.host.retrain.jobs.database import short
from trainyard.host.retrain.jobs.job import Job, State
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.service.known_computes import KnownComputes
from trainyard.host.retrain.service.secrets_in_memory import SecretsInMemory
from trainyard.host.retrain.work.job_folder import JobFolder
from trainyard.host.support.processes import give_way
from trainyard.host.support.reporter import Reporter
from trainyard.settings.retrain import RetrainSettings

_LOOK = 0.25  # seconds between two looks at the jobs
_PAUSE = 5.0  # seconds before the database is asked again that did not answer
_GRACE = 4.0  # seconds that a cancelled job gets, before it is killed


@dataclass
class Dispatcher:
    """``argv`` is the command of a job's process, to which its id is added; ``ended`` gets each job that is over.
    ``alone`` says whether this is the only service of the database: what it raises holds the jobs up."""

    store: JobStore
    settings: RetrainSettings
    state: Path
    argv: Sequence[str]
    environment: dict[str, str]
    kept: SecretsInMemory
    computes: KnownComputes
    reporter: Reporter
    started: Callable[[Job], None] = lambda job: None
    ended: Callable[[Job], None] = lambda job: None
    alone: Callable[[], None] = lambda: None
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _announced: set[str] = field(default_factory=set)
    _tidied: set[str] = field(default_factory=set)
    _complaints: set[str] = field(default_factory=set)
    _signalled: dict[str, float] = field(default_factory=dict)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="dispatcher")

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something new: do not wait for the next look."""
        self._wake.set()

    def close(self) -> None:
        """Put the jobs that run back to those that wait, and end their processes."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        running: list[JobFolder] = []
        with contextlib.suppress(SQLAlchemyError):  # a database that is away: the jobs go on by themselves
            running = [self._folder(job.id) for job in self.store.with_state(State.RUNNING)]
        for folder in running:
            folder.signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while any(folder.alive() for folder in running) and time.monotonic() < deadline:
            time.sleep(_LOOK / 5)
        for folder in running:
            folder.signal(signal.SIGKILL)

    @property
    def alive(self) -> bool:
        """Whether jobs are handed out: /readyz says so."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            before, pause = set(self._complaints), _LOOK
            self._complaints.clear()
            try:
                self.alone()
                self._look()
            except (SQLAlchemyError, TrainyardError) as error:  # a database that is away for a while
                self._complaints.add(f"jobs are not handed out: {short(error)}")
            for complaint in sorted(self._complaints - before):
                self.reporter.warn(complaint)
            if self._complaints:
                pause = _PAUSE
            elif before:
                self.reporter.step("Jobs are handed out again")
            self._wake.wait(pause)
            self._wake.clear()

    def _look(self) -> None:
        for job_id in [job_id for job_id, process in self._processes.items() if process.poll() is not None]:
            del self._processes[job_id]
        running = self.store.with_state(State.RUNNING)
        self._each(self._look_after, running)
        self._each(self._tell_of, self.store.untold())
        taken = Counter(job.compute for job in running)
        self._each(self._begin, self.store.startable(lambda compute: self._limit(compute) - taken[compute]))

    def _limit(self, compute: str) -> int:
        try:
            return self.computes.limit(compute)
        except TrainyardError as error:  # jobs of other computes go on
            self._complaints.add(f"no job begins on {compute}: {short(error)}")
            return 0

    def _each(self, do: Callable[[Job], None], jobs: Sequence[Job]) -> None:
        """One that fails does not stop the others; a database that is away does."""
        for job in jobs:
            try:
                do(job)
            except SQLAlchemyError:
                raise
            except Exception as error:  # noqa: BLE001 -- of its files, of who is told: the thread goes on
                self._complaints.add(f"job {job.id}: {short(error)}")

    def _begin(self, job: Job) -> None:
        if not self.store.begin(job):
            return
        try:
            self._start(job)
        except OSError:  # as on a full disk: it waits
            self.store.wait_again(job)
            raise
        if job.id not in self._announced:
            self._announced.add(job.id)
            self.started(job)

    def _start(self, job: Job) -> None:
        """Start the job's process."""
        folder = self._folder(job.id)
        folder.path.mkdir(parents=True, exist_ok=True)
        with folder.log.open("ab") as log:
            process = subprocess.Popen(
                [*self.argv, f"--id={job.id}"], stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment,
                start_new_session=True,
            )  # fmt: skip
        give_way(process.pid)  # to whoever asks the service something
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps({"secret": self.kept.of(job.id) or ""}).encode())
        self._processes[job.id] = process

    def _look_after(self, job: Job) -> None:
        self._announced.add(job.id)
        folder = self._folder(job.id)
        if job.id not in self._processes and not folder.alive():
            self._signalled.pop(job.id, None)
            now = self.store.find(job.id)
            if now and now.stopping and not folder.alive():  # what was left of it is removed when it is told of
                self.store.end_stopped(now)
            elif now and now.state is State.RUNNING and not folder.alive():  # it was killed
                self.reporter.warn(f"the process of job {job.id} was killed: it begins again")
                self.store.wait_again(job)
            return
        if not job.stopping and self._takes_too_long(job):
            self.store.stop(job.id, f"it took longer than {self.settings.job_timeout} s: RETRAIN_TIMEOUT allows more")
        elif job.stopping:
            self._end(job, folder)

    def _end(self, job: Job, folder: JobFolder) -> None:
        """First in an orderly way."""
        if not folder.alive():  # it is starting
            return
        now = time.monotonic()
        first = self._signalled.setdefault(job.id, now)
        if first == now:
            folder.signal(signal.SIGTERM)
        elif now - first > _GRACE:
            folder.signal(signal.SIGKILL)

    def _takes_too_long(self, job: Job) -> bool:
        limit = self.settings.job_timeout
        return bool(limit and job.started and (datetime.now(UTC) - job.started).total_seconds() > limit)

    def _tell_of(self, job: Job) -> None:
        """Of a job that is over, once its files are gone. Where the process that would remove them was killed, or the
        job was cancelled while it waited to begin again, another process does."""
        folder = self._folder(job.id)
        if job.id in self._processes or folder.alive():
            return
        if folder.checkout.exists() and job.id not in self._tidied:
            self._tidied.add(job.id)
            self._start(job)
            return
        self.store.told(job.id)
        for known in (self._announced, self._tidied):
            known.discard(job.id)
        self._signalled.pop(job.id, None)
        self.kept.forget(job.id)
        self.ended(job)

    def _folder(self, job_id: str) -> JobFolder:
        return JobFolder(self.state, job_id)
