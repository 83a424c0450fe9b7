"""From ``.s2i/environment`` and the settings to a running server."""

from __future__ import annotations

import sys
from pathlib import Path

from trainyard.contract.environment import read_environment
from trainyard.contract.groups import groups_of
from trainyard.contract.routes import routes_of
from trainyard.errors import TrainyardError
from trainyard.image.serve.groups.parent import run_groups
from trainyard.image.serve.preflight import open_listener, set_model_name
from trainyard.image.user_code import ENVIRONMENT_FILE, prepare_path
from trainyard.settings.image import ImageSettings


def serve(arguments: list[str]) -> int:
    """Serve until a signal says stop; bad input is one line on stderr and exit status 2."""
    try:
        environment = read_environment(Path(arguments[0]) if arguments else ENVIRONMENT_FILE)
        groups = groups_of(environment)
        settings = ImageSettings.read()
        listener = open_listener(routes_of(environment), settings)
    except TrainyardError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    warnings = tuple(filter(None, (*environment.warnings, set_model_name(environment, settings))))
    if len(groups) > 1:
        status = run_groups(environment, settings, listener, warnings)
    else:
        from trainyard.image.serve.running import run  # with groups, this process may not have what that needs

        prepare_path(Path.cwd(), [route.module for route in groups[0]])
        status = run(groups[0], settings, listener, warnings)
    if status:
        sys.stderr.write("error: the server has ended: see above\n")
    return status
