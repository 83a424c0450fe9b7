"""What a worker serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask

from trainyard.image.serve.dialect import Dialect
from trainyard.image.serve.dialects.paths import OtherDialects
from trainyard.image.serve.error_answers import ErrorAnswers
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.shared.daemon_context import DaemonContext

REQUEST_ID = "trainyard.request_id"  # key of the WSGI environment


class Application:
    """Flask, and what the event loop takes past it: ``posts`` by path, and what ``others`` finds."""

    def __init__(
        self, flask: Flask, endpoints: tuple[Endpoint, ...], posts: Mapping[str, tuple[Endpoint, Dialect]],
        others: OtherDialects, errors: ErrorAnswers, common: DaemonContext | None = None,
    ) -> None:  # fmt: skip
        """``common``: what is known of the other processes, where there are any."""
        self.flask = flask
        self.endpoints = endpoints
        self.posts = posts
        self.others = others
        self.errors = errors
        self.common = common

    @property
    def paths(self) -> list[str]:
        """The routes."""
        return [endpoint.route.path for endpoint in self.endpoints]

    @property
    def every_path(self) -> list[str]:
        """The routes of the whole server, of other groups of models, too."""
        return [route.path for route in self.common.every_route] if self.common else self.paths

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.flask(environ, start_response)
