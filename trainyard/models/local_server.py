"""Serves a predict module without an image, for debugging."""

from __future__ import annotations

import dataclasses
import sys

from trainyard.contract.routes import parse_routes
from trainyard.errors import TrainyardError
from trainyard.image.serve.preflight import open_listener
from trainyard.image.serve.running import run
from trainyard.settings.image import ImageSettings

PORT = 5111  # where ``make predict`` publishes too


def assemble_server(routes: str, port: int = PORT) -> None:
    """Answer ``routes`` (``route:module:function[,...]``) on http://127.0.0.1:5111 until Ctrl-C.

    It is the server of a predict image, with one worker; LOG_LEVEL=debug logs each request. A predict module that
    ends in ``if __name__ == "__main__": assemble_server(sys.argv[1])`` is run as ``python -m
    <project>.<model>.predict <routes>``, from the folder that holds ``models/``. Bad routes, or a port in use, are one
    line and exit status 2.
    """
    try:
        parsed = parse_routes(routes, "the command line")
        settings = dataclasses.replace(ImageSettings.read(), bind="127.0.0.1", port=port, workers=1)
        listener = open_listener(parsed, settings)
    except TrainyardError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.exit(run(parsed, settings, listener))
