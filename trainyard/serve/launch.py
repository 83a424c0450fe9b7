"""From ``.s2i/environment`` and the settings to a running server."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import sys
from pathlib import Path

from trainyard.environment import read_environment
from trainyard.errors import TrainyardError
from trainyard.resolve import ENVIRONMENT_FILE, prepare_path
from trainyard.routes import Route, routes_of
from trainyard.serve.dialects.paths import check_vertex_routes
from trainyard.serve.http.access import check_access
from trainyard.serve.logs import configure_logging
from trainyard.serve.processes.cores import limit_threads, memory_limit, usable_cores
from trainyard.serve.processes.server import check_settings, describe, heartbeat_folder, listen, set_model_name
from trainyard.serve.processes.supervisor import Supervisor
from trainyard.serve.shared.common import Common
from trainyard.serve.shared.worker_limits import WorkerLimits
from trainyard.settings import ImageSettings, refuse_telemetry

LOG = logging.getLogger("trainyard.serve")


def serve(arguments: list[str]) -> int:
    """Serve until a signal says stop; bad input is one line on stderr and exit status 2."""
    try:
        environment = read_environment(Path(arguments[0]) if arguments else ENVIRONMENT_FILE)
        routes = routes_of(environment)
        settings = ImageSettings.read()
        listener = open_listener(routes, settings)
    except TrainyardError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    warnings = (*environment.warnings, set_model_name(environment, settings))
    prepare_path(Path.cwd())
    status = run(routes, settings, listener, tuple(filter(None, warnings)))
    if status:
        sys.stderr.write("error: the server has ended: see above\n")
    return status


def open_listener(routes: tuple[Route, ...], settings: ImageSettings) -> socket.socket:
    """The socket to serve ``routes`` on, once everything is found to be as it must be.

    Raises:
        TrainyardError: a setting or the machine is not; the message names it.
    """
    check_settings(settings)
    check_vertex_routes(routes, settings)
    check_access(settings)
    heartbeat_folder()
    return listen(settings)


def run(
    routes: tuple[Route, ...], settings: ImageSettings, listener: socket.socket, warnings: tuple[str, ...] = ()
) -> int:
    """Serve on ``listener`` until a signal says stop; the exit status. ``warnings`` are logged first."""
    os.umask(0o002)  # another uid of group 0 may follow this one
    configure_logging(settings)
    refuse_telemetry()
    limits = WorkerLimits(settings.workers, usable_cores(), memory_limit())
    shared = limit_threads(limits.most(shared=settings.share), limits.cores) and settings.share
    settings = dataclasses.replace(settings, share=shared, workers=limits.most(shared=shared))
    for warning in warnings:
        LOG.warning("%s", warning)
    LOG.info("serving %s", describe(routes, settings, listener))
    return Supervisor(Common.create(routes, settings, listener, limits)).run()
