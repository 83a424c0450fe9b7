"""The service, put together and run."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus

import uvicorn

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.operations.serve import base_url
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.database import open_database
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.service.app import Service, make_app
from trainyard.host.retrain.service.authorization import is_loopback
from trainyard.host.retrain.service.dispatcher import Dispatcher
from trainyard.host.retrain.service.metrics import Metrics
from trainyard.host.retrain.service.problems import Problem
from trainyard.host.retrain.service.secrets_in_memory import SecretsInMemory
from trainyard.host.retrain.service.submitting import Source, Submitting
from trainyard.host.retrain.tokens import TokenStore
from trainyard.host.retrain.work.job_folder import FOLDER
from trainyard.host.retrain.work.locating import place_of
from trainyard.host.retrain.work.tidying import tidy
from trainyard.settings.own_process import callers_environment
from trainyard.settings.retrain import NoticeSettings, RetrainSettings

_DAY = 86400.0


def run_service(session: Session, settings: RetrainSettings) -> None:
    """Serve until Ctrl-C; jobs that run then begin again with the next service.

    Raises:
        TrainyardError: there is no token and BIND is not this machine, another service runs, or the port is in use.
    """
    state = session.repository.state
    engine = open_database(settings.database, state)
    tokens = TokenStore(engine)
    check_bind(session.settings.bind, tokens, session)
    store, kept = JobStore(engine), SecretsInMemory()
    metrics = Metrics(store)
    dispatcher = Dispatcher(
        store, settings, state, job_command(session), job_environment(), kept, session.reporter, ended=metrics.ended
    )
    place = functools.partial(place_of, session.repository)
    submitting = Submitting(store, settings, kept, lambda uri: _source(settings, uri), place, dispatcher.wake)
    app = make_app(Service(store, tokens, settings, submitting, dispatcher, metrics, state))
    bind, port = session.settings.bind, settings.port
    server = uvicorn.Server(
        uvicorn.Config(app, host=bind, port=port, log_level="warning", timeout_graceful_shutdown=2, server_header=False)
    )
    with _alone(session), _jobs_going_on(session, dispatcher, store, settings):
        session.reporter.step(f"Jobs are taken at {base_url(bind, port)} (documentation: /docs); Ctrl-C stops it")
        server.run()
    if not server.started:
        raise TrainyardError(
            f"port {port} of {bind} cannot be used: see above", "choose another: RETRAIN_PORT=", EXIT_FAILED
        )


def check_bind(bind: str, tokens: TokenStore, session: Session) -> None:
    """Without a token nobody but this machine may ask.

    Raises:
        TrainyardError: BIND says otherwise.
    """
    if tokens.there_are_some():
        return
    if not is_loopback(bind):
        raise TrainyardError(
            f"BIND={bind}: there is no token, so this machine alone may ask",
            "make one first: make retrain-token NAME=<who>", EXIT_FAILED,
        )  # fmt: skip
    session.reporter.step("There is no token: this machine alone may ask (make retrain-token makes one)")


def job_command(session: Session) -> list[str]:
    """What carries a job out."""
    return [sys.executable, "-P", "-m", "trainyard", "retrain-job", str(session.repository.root)]


def job_environment() -> dict[str, str]:
    """Ours, without what only the service needs: who is told of jobs."""
    private = {field.metadata["env"] for field in NoticeSettings.__dataclass_fields__.values()}
    return {name: value for name, value in callers_environment().items() if name not in private | {"webhook_url"}}


@contextlib.contextmanager
def _alone(session: Session) -> Iterator[None]:
    """One service for each monorepo: two would hand out the same jobs."""
    path = session.repository.state / FOLDER / "service.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise TrainyardError(
                f"another retrain service of this monorepo runs (process {file.read()})", "stop it first", EXIT_FAILED
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def _jobs_going_on(
    session: Session, dispatcher: Dispatcher, store: JobStore, settings: RetrainSettings
) -> Iterator[None]:  # fmt: skip
    ending = threading.Event()

    def tidy_each_day() -> None:
        while not ending.is_set():
            tidy(session, store, settings.keep_days)
            ending.wait(_DAY)

    dispatcher.start()
    tidying = threading.Thread(target=tidy_each_day, daemon=True)
    tidying.start()
    try:
        yield
    finally:
        ending.set()
        dispatcher.close()


def _source(settings: RetrainSettings, uri: str) -> Source:
    raise Problem(HTTPStatus.FORBIDDEN, "RETRAIN_SOURCES names no repositories")
