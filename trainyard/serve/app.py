"""The application: one POST endpoint per route, ``GET /health``, and one error handler."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from trainyard.errors import BadRequest, TrainyardError
from trainyard.routes import Route
from trainyard.serve.arrival import arrived
from trainyard.serve.codec import JSON
from trainyard.serve.endpoint import LOG, Endpoint, NotADict
from trainyard.serve.message_body import read_message
from trainyard.settings import ImageSettings

JSON_TYPE = "application/json"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_ID_KEY = "trainyard.request_id"
# Most clients see no answer before they have sent their whole body.
DISCARD_BYTES = 64 << 20
_PIECE = 1 << 20  # bytes


class Compressed(TrainyardError):
    """A body with a Content-Encoding; HTTP 415."""

    http_status = 415


class Late(TrainyardError):
    """A body that did not arrive in time; HTTP 408."""

    http_status = 408


def create_app(routes: tuple[Route, ...], settings: ImageSettings, sources: Path | None = None) -> Flask:
    """Build the application: import every route's function and predict its sample, so that it is ready when served.

    A route whose import fails answers 503 with the reason; the others serve.

    Args:
        routes: from ``.s2i/environment``.
        settings: the body limit is read here.
        sources: the folder that the routes' modules lie in; default: the working directory. On ``sys.path`` already.
    """
    app = Flask("trainyard.serve", static_folder=None)
    # A redirected POST arrives as a GET, or not at all: answer both spellings, or none.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.add_url_rule("/health", "health", _health, methods=["GET"])
    endpoints = [Endpoint(route, sources or Path.cwd()) for route in routes]
    for number, endpoint in enumerate(endpoints):
        endpoint.load()
        app.add_url_rule(
            f"/{endpoint.route.path}", f"route{number}", _view(endpoint, settings.max_body_mb << 20), methods=["POST"]
        )
    app.register_error_handler(Exception, _Errors(routes, settings))
    app.after_request(_with_request_id)
    for endpoint in endpoints:
        endpoint.warm_up()
    return app


def _health() -> Response:
    return Response(b'{"status":"ok"}', mimetype=JSON_TYPE)


def _view(endpoint: Endpoint, limit: int) -> Callable[[], Response]:
    def predict() -> Response:
        return Response(endpoint.answer(read_message(_body(limit))), mimetype=JSON_TYPE)

    return predict


def _body(limit: int) -> bytes:
    """The request's body, at most ``limit`` bytes. Flask's own limit cuts a chunked body short without a word."""
    stream = request.environ["wsgi.input"]
    announced = request.content_length or 0
    try:
        body: bytes = b"" if announced > limit else stream.read(limit + 1)
        too_large = max(announced, len(body)) > limit
        if too_large:
            _discard(stream, announced)
    except Exception as error:  # gunicorn's, of several families: a chunk that is none, a client that went away
        if not arrived():
            raise Late("the body did not arrive in time", "send it without a pause") from error
        raise BadRequest(f"the body cannot be read: {type(error).__name__}", "send the whole body") from error
    if not arrived():
        raise Late("the body did not arrive in time", "send it without a pause")
    if too_large:
        raise RequestEntityTooLarge
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Compressed(f"the body is compressed (Content-Encoding: {encoding[:40]})", "send it uncompressed")
    return body


def _discard(stream: IO[bytes], announced: int) -> None:
    """Read what is left of a body that is too large, if that ends soon."""
    left = DISCARD_BYTES if announced <= DISCARD_BYTES else 0
    while left > 0 and (piece := stream.read(_PIECE)):
        left -= len(piece)


class _Errors:
    """Every error becomes ``{"payload": {"success": false, "error": ...}}`` with a truthful status."""

    def __init__(self, routes: tuple[Route, ...], settings: ImageSettings) -> None:
        self._known = ", ".join(f"POST /{route.path}" for route in routes[:10])
        self._limit = f"{settings.max_body_mb} MiB"

    def __call__(self, error: Exception) -> Response:
        status, text = self._describe(error)
        body = JSON.dumps({"payload": {"success": False, "error": text}})
        response = Response(body, status=status, mimetype=JSON_TYPE)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    def _describe(self, error: Exception) -> tuple[int, str]:
        if isinstance(error, TrainyardError) and error.http_status != 500:
            return error.http_status, str(error)
        if isinstance(error, RequestEntityTooLarge):
            return 413, f"the body is larger than {self._limit}: send fewer rows at a time"
        if isinstance(error, MethodNotAllowed):
            useful = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
            return 405, f"{request.method} is not allowed here: use {' or '.join(useful)}"
        if isinstance(error, HTTPException) and error.code:
            hint = f": this server answers {self._known}" if error.code == 404 else ""
            return error.code, f"{error.name}{hint}"
        if isinstance(error, NotADict):
            LOG.error("request %s: %s", _request_id(), error)
            return 500, str(error)
        LOG.error("request %s: %s %s failed", _request_id(), request.method, request.path, exc_info=error)
        return 500, f"{type(error).__name__} in the predict function: see the log for request {_request_id()}"


def _request_id() -> str:
    """The caller's X-Request-Id where it is fit for a log line, else one of our own."""
    known = request.environ.get(_ID_KEY)
    if known is None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        known = given if _SANE_ID.fullmatch(given) else os.urandom(8).hex()
        request.environ[_ID_KEY] = known
    return str(known)


def _with_request_id(response: Response) -> Response:
    response.headers["X-Request-Id"] = _request_id()
    return response
