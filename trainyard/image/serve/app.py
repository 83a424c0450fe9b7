"""The application: what is predicted where, the pages beside it, and one error handler.

It is whole by itself, as any WSGI application. The worker takes predictions past Flask (``http.batching``): what
Flask costs for a request is many times what a compiled model does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from trainyard.contract.routes import Route
from trainyard.image.serve.application import REQUEST_ID, Application
from trainyard.image.serve.dialects.model_names import PREFIX
from trainyard.image.serve.dialects.native import rehearse
from trainyard.image.serve.dialects.paths import OtherDialects, prediction_paths
from trainyard.image.serve.error_answers import ErrorAnswers, Failed
from trainyard.image.serve.pages.health import add_health_pages
from trainyard.image.serve.pages.protocol_pages import add_protocol_pages, health_paths
from trainyard.image.serve.pages.views import add_pages
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.request import JSON_TYPE, Request
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.settings.image import ImageSettings, root_path_of


def load_endpoint(_number: int, endpoint: Endpoint) -> None:
    """Load it, come what may."""
    endpoint.load()


def create_app(
    routes: tuple[Route, ...],
    settings: ImageSettings,
    sources: Path | None = None,
    load: Callable[[int, Endpoint], None] = load_endpoint,
    common: DaemonContext | None = None,
) -> Application:
    """Build the application: import every route's function and predict its sample, so that it is ready when served.

    A route whose import fails answers 503 with the reason; the others serve.

    Args:
        routes: from ``.s2i/environment``.
        settings: BATCH is read here.
        sources: the folder that the routes' modules lie in; default: the working directory. On ``sys.path`` already.
        load: loads the endpoint of each route, whose number it is given.
        common: what the processes of a daemon share.
    """
    flask = Flask("trainyard.serve", static_folder=None)
    # A redirected POST arrives as a GET, or not at all: answer both spellings, or none.
    flask.url_map.strict_slashes = False
    flask.url_map.merge_slashes = False
    endpoints = tuple(
        Endpoint(route, sources or Path.cwd(), batch=settings.batch, rehearse=rehearse) for route in routes
    )
    for number, endpoint in enumerate(endpoints):
        load(number, endpoint)
    every_route = common.every_route if common else routes
    others = OtherDialects(endpoints, settings, [route.path for route in every_route])
    errors = ErrorAnswers(every_route, others.paths | health_paths(settings), root_path_of(settings.root_path))
    application = Application(flask, endpoints, prediction_paths(endpoints, settings), others, errors, common)
    for path in [*application.posts, *others.paths]:
        flask.add_url_rule(path, f"POST {path}".replace(".", "_"), lambda: _predict(application), methods=["POST"])
    flask.add_url_rule(f"{PREFIX}<path:_name>", "infer", lambda _name: _predict(application), methods=["POST"])
    add_health_pages(flask, application)
    add_protocol_pages(application, settings)
    add_pages(flask, application)
    flask.register_error_handler(Exception, lambda error: _error_response(errors, error))
    return application


def _predict(application: Application) -> Response:
    headers = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in request.headers}
    path = request.environ.get("RAW_URI", request.path).encode("latin-1", "replace")
    received = Request(None, "POST", path, request.query_string, headers, request.get_data(), "1.1", True, 0.0)
    found = application.posts.get(request.path.removesuffix("/")) or application.others.find(received)
    if found is None:
        raise MethodNotAllowed(valid_methods=["GET"])
    endpoint, dialect = found
    written = dialect.write(endpoint.answer(dialect.read(received)), received)
    lines = [line.split(": ", 1) for line in written.more.splitlines()]
    return Response(written.body, headers=[(name, value) for name, value in lines], content_type=written.content_type)


def _error_response(errors: ErrorAnswers, error: Exception) -> Response:
    failed = Failed(request.method, request.path, request.environ.get(REQUEST_ID, "-"))
    status, text = errors.describe(error, failed)
    response = Response(errors.body(request.path, text), status=status, mimetype=JSON_TYPE)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response
