"""make track, make track-stop: an MLflow server for this repository."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from trainyard.errors import ENDED_BY_SIGNAL, EXIT_FAILED, TrainyardError
from trainyard.host.experiments.tracking import server as tracking_server
from trainyard.host.experiments.tracking.tracker import OwnServer, own_server, without_credentials
from trainyard.host.network.http_client import wait_until_ready
from trainyard.host.operations.live_upload import tracker_of
from trainyard.host.operations.serve import LAST_LINES, base_url, is_free
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.verbs.env_file import with_env_file


def track(session: Session, _: Path) -> None:
    """Start the tracking server; stay until Ctrl-C, or with DETACH=1 until it is ready."""
    _start(with_env_file(session))


def _start(session: Session) -> None:
    settings, experiments, root = session.settings, session.experiments, session.repository.root
    tracking_server.check_drivers(experiments)
    argv = tracking_server.command(settings.bind, experiments.track_port, settings.workers)
    variables = tracking_server.variables(experiments, root)
    if session.commands.dry_run:
        console.result(
            " ".join([*(f"{name}={without_credentials(value)}" for name, value in variables.items()), *argv])
        )
        return
    limit = Limit("LOCK_TIMEOUT", settings.lock_timeout)
    with locked(session.repository.state / "locks" / "track", "the tracking server", limit, session.reporter):
        server = own_server(root)
        if server and server.alive:
            session.reporter.step(f"The tracking server runs already: {server.url} (make track-stop stops it)")
            return
        if not is_free(settings.bind, experiments.track_port, "TRACK_PORT"):
            port = experiments.track_port
            raise TrainyardError(
                f"port {port} is in use", f"stop what listens there, or choose another: TRACK_PORT={port % 65535 + 1}"
            )
        url = base_url(settings.bind, experiments.track_port)
        environment = session.commands.environment(variables)
        process = tracking_server.start(argv, environment, root, url, session.reporter, logged=settings.detach)
        server = own_server(root) or OwnServer(url, process.pid, "")
        _wait(session, server, process)
    session.reporter.step(f"Runs are tracked at {url}")
    if settings.detach:
        session.reporter.step("Stop it with make track-stop")
        return
    session.reporter.step("Ctrl-C stops it")
    _stay(session, server, process)


def ensure_tracker(session: Session) -> None:
    """Where no tracker is named and none runs, start that of ``make track`` in the background."""
    if tracker_of(session) is None:
        _start(replace(session, settings=replace(session.settings, detach=True, workers=0)))


def track_stop(session: Session, _: Path) -> None:
    """Stop the server that ``make track`` has started."""
    server = own_server(session.repository.root)
    if server is None or not server.alive:
        session.reporter.step("No tracking server of make track runs")
    elif session.commands.dry_run:
        console.result(f"kill {server.pid}")
    else:
        tracking_server.end(server, session.repository.root, session.settings.stop_timeout, session.reporter)
        session.reporter.step(f"Stopped the tracking server at {server.url}")


def _wait(session: Session, server: OwnServer, process: subprocess.Popen[bytes]) -> None:
    try:
        with session.reporter.waiting("Waiting for the tracking server ..."):
            wait_until_ready(server.url, lambda: process.poll() is None, session.settings.ready_timeout)
    except BaseException as error:  # Ctrl-C too: nobody would know of a server that is left behind
        lines = tracking_server.last_lines(session.repository.root, LAST_LINES) if session.settings.detach else []
        for text in [] if isinstance(error, KeyboardInterrupt) else lines:
            session.reporter.line(f"    {text}")
        tracking_server.end(server, session.repository.root, session.settings.stop_timeout, session.reporter)
        raise


def _stay(session: Session, server: OwnServer, process: subprocess.Popen[bytes]) -> None:
    try:
        status = process.wait()
    except KeyboardInterrupt:
        session.reporter.step("Stopped the tracking server")
        return
    finally:
        tracking_server.end(server, session.repository.root, session.settings.stop_timeout, session.reporter)
    if status not in (0, -15, *ENDED_BY_SIGNAL):
        raise TrainyardError(f"the tracking server ended with status {status}: see above", exit_code=EXIT_FAILED)
