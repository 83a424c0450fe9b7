"""The parts of the service, each given what it works with."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

from sqlalchemy import Engine

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.job import Job, State
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.notices.notices import Notices
from trainyard.host.retrain.service.app import Service
from trainyard.host.retrain.service.dispatcher import Dispatcher
from trainyard.host.retrain.service.known_computes import KnownComputes
from trainyard.host.retrain.service.metrics import Metrics
from trainyard.host.retrain.service.problems import Problem
from trainyard.host.retrain.service.pushes import Pushes
from trainyard.host.retrain.service.secrets_in_memory import SecretsInMemory
from trainyard.host.retrain.service.source_rules import SourceRules
from trainyard.host.retrain.service.submitting import Submitting
from trainyard.host.retrain.service.telling import Telling
from trainyard.host.retrain.tokens import TokenStore
from trainyard.host.retrain.triggers.deliveries import Deliveries
from trainyard.host.retrain.triggers.own_monorepo import OwnMonorepo
from trainyard.host.retrain.triggers.trigger_store import SqlTriggerStore
from trainyard.host.retrain.triggers.watching import Watcher
from trainyard.host.retrain.work.locating import place_of
from trainyard.host.retrain.work.tidying import tidy
from trainyard.host.support.reporter import Reporter
from trainyard.settings.declarations import variables_of
from trainyard.settings.own_process import callers_environment
from trainyard.settings.retrain import NoticeSettings, RetrainSettings

_DAY = 86400.0


class Part(Protocol):
    """What goes on while the service runs."""

    def start(self) -> None: ...

    def close(self) -> None: ...


def assembled(
    session: Session, settings: RetrainSettings, engine: Engine, alone: Callable[[], None] = lambda: None
) -> tuple[Service, list[Part]]:  # fmt: skip
    """The service, and what is to be started with it, in this order; it is closed in the other. ``alone``: as of the
    dispatcher."""
    store, kept, state, reporter = JobStore(engine), SecretsInMemory(), session.repository.state, session.reporter
    metrics, notices = Metrics(store), Notices(settings, reporter)
    telling = Telling(notices, state)
    triggers, own = SqlTriggerStore(engine), OwnMonorepo(session, reporter)
    place = functools.partial(place_of, session.repository)
    computes = KnownComputes(session.repository.root, settings.compute, settings.jobs)
    dispatcher = Dispatcher(store, settings, state, _job_command(session), _job_environment(), kept, computes, reporter)
    rules = SourceRules(settings, session.engine.name)
    submitting = Submitting(store, settings, kept, rules.source_of, place, computes.chosen, dispatcher.wake)

    def submit(request: RetrainRequest, trigger: str) -> Job:
        try:
            return submitting.submit(request, trigger)
        except Problem as error:
            raise TrainyardError(error.detail, "") from None

    watcher = Watcher(own.models, submit, triggers, settings, own.data_version, reporter)

    def ended(job: Job) -> None:
        metrics.ended(job)
        telling.ended(job)
        if job.state is State.SUCCEEDED and not job.request.get("git_uri"):
            watcher.trained(place(RetrainRequest.model_validate(job.request).location).removeprefix("projects/"))

    dispatcher.started, dispatcher.ended, dispatcher.alone = telling.started, ended, alone
    pushes = Pushes(session, settings, submitting, Deliveries(triggers), own)
    service = Service(store, TokenStore(engine), settings, submitting, dispatcher, metrics, pushes, state)
    tidying = _EachDay(lambda: tidy(session, store, settings.keep_days))
    return service, [_Notices(notices, reporter), dispatcher, tidying, watcher]


def _job_command(session: Session) -> list[str]:
    """What carries a job out."""
    return [sys.executable, "-P", "-m", "trainyard", "retrain-job", str(session.repository.root)]


def _job_environment() -> dict[str, str]:
    """Ours, without what only the service needs: who is told of jobs, and by which secrets."""
    private = {name for declared in fields(NoticeSettings) for name in variables_of(declared)}
    return {name: value for name, value in callers_environment().items() if name not in private}


@dataclass(frozen=True)
class _Notices:
    """They start by themselves."""

    notices: Notices
    reporter: Reporter

    def start(self) -> None: ...

    def close(self) -> None:
        for line in self.notices.close():
            self.reporter.warn(line)


class _EachDay:
    """Does something now, and once a day."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what, self._ended = what, threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="tidying", daemon=True).start()

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._what()
            self._ended.wait(_DAY)
