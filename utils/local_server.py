"""Serves a predict module without an image, for debugging."""

from __future__ import annotations

from trainyard.routes import parse_routes
from trainyard.serve.app import create_app
from trainyard.settings import ImageSettings

PORT = 5111  # where ``make predict`` publishes too


def assemble_server(routes: str) -> None:
    """Answer ``routes`` (``route:module:function[,...]``) on http://127.0.0.1:5111 until Ctrl-C.

    A predict module that ends in ``if __name__ == "__main__": assemble_server(sys.argv[1])`` is run as
    ``python -m <project>.<model>.predict <routes>``, from the folder that holds ``models/``.
    """
    app = create_app(parse_routes(routes, "the command line"), ImageSettings.read())
    app.run(host="127.0.0.1", port=PORT)
