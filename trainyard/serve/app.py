"""The application: what is predicted where, the pages beside it, and one error handler.

It is whole by itself, as any WSGI application. The worker takes predictions past Flask (``prediction.batching``): what
Flask costs for a request is many times what a compiled model does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from trainyard.routes import Route
from trainyard.serve.dialects.dialect import Dialect
from trainyard.serve.dialects.paths import prediction_paths
from trainyard.serve.http.error_answers import ErrorAnswers, Failed, error_body
from trainyard.serve.http.request import JSON_TYPE, Request
from trainyard.serve.pages.views import add_pages
from trainyard.serve.prediction.endpoint import Endpoint
from trainyard.settings import ImageSettings

REQUEST_ID = "trainyard.request_id"  # key of the WSGI environment


class Application:
    """Flask, and what the event loop takes past it: ``posts`` by path."""

    def __init__(
        self, flask: Flask, endpoints: tuple[Endpoint, ...], posts: Mapping[str, tuple[Endpoint, Dialect]],
        errors: ErrorAnswers,
    ) -> None:  # fmt: skip
        self.flask = flask
        self.endpoints = endpoints
        self.posts = posts
        self.errors = errors

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.flask(environ, start_response)


def create_app(routes: tuple[Route, ...], settings: ImageSettings, sources: Path | None = None) -> Application:
    """Build the application: import every route's function and predict its sample, so that it is ready when served.

    A route whose import fails answers 503 with the reason; the others serve.

    Args:
        routes: from ``.s2i/environment``.
        settings: BATCH is read here.
        sources: the folder that the routes' modules lie in; default: the working directory. On ``sys.path`` already.
    """
    flask = Flask("trainyard.serve", static_folder=None)
    # A redirected POST arrives as a GET, or not at all: answer both spellings, or none.
    flask.url_map.strict_slashes = False
    flask.url_map.merge_slashes = False
    flask.add_url_rule("/health", "health", _health, methods=["GET"])
    errors = ErrorAnswers(routes)
    endpoints = tuple(Endpoint(route, sources or Path.cwd(), batch=settings.batch) for route in routes)
    posts = prediction_paths(endpoints)
    for endpoint in endpoints:
        endpoint.load()
    for path, (endpoint, dialect) in posts.items():
        flask.add_url_rule(path, f"POST {path}".replace(".", "_"), _view(endpoint, dialect), methods=["POST"])
    add_pages(flask, endpoints)
    flask.register_error_handler(Exception, lambda error: _error_response(errors, error))
    for endpoint in endpoints:
        endpoint.warm_up()
    return Application(flask, endpoints, posts, errors)


def _health() -> Response:
    return Response(b'{"status":"ok"}', mimetype=JSON_TYPE)


def _view(endpoint: Endpoint, dialect: Dialect) -> Callable[[], Response]:
    def predict() -> Response:
        headers = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in request.headers}
        path = request.path.encode("utf-8")
        received = Request(None, "POST", path, request.query_string, headers, request.get_data(), "1.1", True, 0.0)
        written = dialect.write(endpoint.answer(dialect.read(received)), received)
        lines = [line.split(": ", 1) for line in written.more.splitlines()]
        return Response(written.body, headers=[(name, value) for name, value in lines], mimetype=written.content_type)

    return predict


def _error_response(errors: ErrorAnswers, error: Exception) -> Response:
    failed = Failed(request.method, request.path, request.environ.get(REQUEST_ID, "-"))
    status, text = errors.describe(error, failed)
    response = Response(error_body(text), status=status, mimetype=JSON_TYPE)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response
