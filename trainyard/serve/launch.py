"""From ``.s2i/environment`` and the settings to a running server."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from pathlib import Path

from gunicorn.errors import HaltServer

from trainyard.environment import read_environment
from trainyard.errors import TrainyardError
from trainyard.resolve import ENVIRONMENT_FILE, prepare_path
from trainyard.routes import routes_of
from trainyard.serve.dialects.paths import check_vertex_routes
from trainyard.serve.http.access import check_access
from trainyard.serve.processes.cores import limit_threads, usable_cores, worker_count
from trainyard.serve.processes.server import Server, check_settings, configure_logging, describe, listen, set_model_name
from trainyard.settings import ImageSettings

LOG = logging.getLogger("trainyard.serve")


def serve(arguments: list[str]) -> int:
    """Serve until a signal says stop; bad input is one line on stderr and exit status 2."""
    try:
        environment = read_environment(Path(arguments[0]) if arguments else ENVIRONMENT_FILE)
        routes = routes_of(environment)
        settings = ImageSettings.read()
        check_settings(settings)
        check_vertex_routes(routes, settings)
        check_access(settings)
        cores = usable_cores()
        settings = dataclasses.replace(settings, workers=worker_count(settings.workers, cores))
        listener = listen(settings)
    except TrainyardError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    os.umask(0o002)  # another uid of group 0 may follow this one
    configure_logging(settings.log_level)
    limit_threads(settings.workers, cores)
    prepare_path(Path.cwd())
    for warning in (*environment.warnings, set_model_name(environment, settings)):
        if warning:
            LOG.warning("%s", warning)
    LOG.info("serving %s", describe(routes, settings, listener))
    try:
        Server(routes, settings, listener).run()
    except HaltServer as error:  # a worker could not even start; its own lines are above
        sys.stderr.write(f"error: {error.reason.rstrip('.')}: see above\n")
        return int(error.exit_status)
    return 0
