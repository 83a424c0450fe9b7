"""The service, put together and run."""

from __future__ import annotations

import contextlib

import uvicorn

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.network.loopback import is_loopback
from trainyard.host.operations.serve import base_url
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.database import open_database
from trainyard.host.retrain.service.alone_in_database import AloneInDatabase
from trainyard.host.retrain.service.app import make_app
from trainyard.host.retrain.service.assembling import assembled
from trainyard.host.retrain.service.background import alone
from trainyard.host.retrain.tokens import TokenStore
from trainyard.settings.retrain import RetrainSettings


def run_service(session: Session, settings: RetrainSettings) -> None:
    """Serve until Ctrl-C; jobs that run then begin again with the next service.

    Raises:
        TrainyardError: there is no token and BIND is not this machine, another service runs, here or with the same
            database, or the port is in use.
    """
    engine = open_database(settings.database, session.repository.state)
    _check_bind(session, TokenStore(engine))
    of_database = AloneInDatabase(engine)
    service, parts = assembled(session, settings, engine, of_database.check)
    bind, port = session.settings.bind, settings.port
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(service), host=bind, port=port, log_level="warning", timeout_graceful_shutdown=2,
            server_header=False,
        )
    )  # fmt: skip
    with alone(session), contextlib.ExitStack() as stack:
        stack.callback(of_database.close)
        of_database.check()
        for part in parts:
            part.start()
            stack.callback(part.close)
        session.reporter.step(f"Jobs are taken at {base_url(bind, port)} (documentation: /docs); Ctrl-C stops it")
        server.run()
    if not server.started:
        raise TrainyardError(
            f"port {port} of {bind} cannot be used: see above", "choose another: RETRAIN_PORT=", EXIT_FAILED
        )


def check_bind(session: Session, settings: RetrainSettings) -> None:
    """Without a token nobody but this machine may ask, which is said.

    Raises:
        TrainyardError: BIND says otherwise.
    """
    _check_bind(session, TokenStore(open_database(settings.database, session.repository.state)))


def _check_bind(session: Session, tokens: TokenStore) -> None:
    bind = session.settings.bind
    if tokens.there_are_some():
        return
    if not is_loopback(bind):
        raise TrainyardError(
            f"BIND={bind}: there is no token, so this machine alone may ask",
            "make one first: make retrain-token NAME=<who>", EXIT_FAILED,
        )  # fmt: skip
    session.reporter.step("There is no token: this machine alone may ask (make retrain-token makes one)")
