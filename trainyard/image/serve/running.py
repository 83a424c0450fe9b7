"""From routes and a listening socket to the processes that serve."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket

from trainyard.contract.routes import Route
from trainyard.image.serve.logs import configure_logging
from trainyard.image.serve.preflight import describe
from trainyard.image.serve.processes.cores import limit_threads, memory_limit, usable_cores
from trainyard.image.serve.processes.supervisor import Supervisor
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.other_groups import Neighbours
from trainyard.image.serve.shared.worker_limits import WorkerLimits
from trainyard.settings.image import ImageSettings
from trainyard.settings.own_process import refuse_telemetry

LOG = logging.getLogger("trainyard.serve")


def run(
    routes: tuple[Route, ...], settings: ImageSettings, listener: socket.socket, warnings: tuple[str, ...] = (),
    limits: WorkerLimits | None = None, neighbours: Neighbours | None = None,
) -> int:  # fmt: skip
    """Serve on ``listener`` until a signal says stop; the exit status. ``warnings`` are logged first.

    ``limits``: default: what there is; ``neighbours``: where these are the routes of one of several groups of models.
    """
    os.umask(0o002)  # another uid of group 0 may follow this one
    configure_logging(settings)
    refuse_telemetry()
    limits = limits or WorkerLimits(settings.workers, usable_cores(), memory_limit())
    no_threads = limit_threads(limits.most(shared=settings.share), limits.cores)
    # Several models are renewed each by itself only where they are shared: worth a try, which ends at the first thread.
    shared = settings.share and (no_threads or len(routes) > 1)
    settings = dataclasses.replace(settings, share=shared, workers=limits.most(shared=shared))
    for warning in warnings:
        LOG.warning("%s", warning)
    LOG.info("starting %s", describe(routes, settings, listener))
    return Supervisor(DaemonContext.create(routes, settings, listener, limits, neighbours)).run()
