"""Every error becomes one line with a truthful status: here alone.

Our own shape is ``{"payload": {"success": false, "error": ...}}``; other protocols' clients get ``{"error": ...}``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from werkzeug.exceptions import HTTPException, MethodNotAllowed

from trainyard.contract import confinement
from trainyard.contract.routes import Route
from trainyard.errors import TrainyardError
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.prediction.endpoint import NotADict

LOG = logging.getLogger("trainyard.serve")
SHOWN_ROUTES = 10


def error_body(text: str) -> bytes:
    """The body of an answer that says what went wrong."""
    return JSON.dumps({"payload": {"success": False, "error": text}})


def plain_error_body(text: str) -> bytes:
    """The same for clients of other protocols: ``{"error": ...}``."""
    return JSON.dumps({"error": text})


@dataclass(frozen=True)
class Failed:
    """Which request failed, for the log."""

    method: str
    path: str
    id: str


class ErrorAnswers:
    """What is answered to an exception."""

    def __init__(self, routes: tuple[Route, ...], other_paths: frozenset[str] = frozenset(), root: str = "") -> None:
        """``other_paths``: of other protocols, beside those below ``/v2``; ``root``: stands before every path."""
        self._known = ", ".join(f"POST {root}/{route.path}" for route in routes[:SHOWN_ROUTES])
        self._ours = frozenset(f"/{route.path}" for route in routes) - other_paths
        self._others = other_paths | {"/v2"}

    def body(self, path: str, text: str) -> bytes:
        """What ``path`` answers when it cannot answer."""
        path = path.rstrip("/")
        is_other = (path in self._others or path.startswith("/v2/")) and path not in self._ours
        return plain_error_body(text) if is_other else error_body(text)

    def describe(self, error: Exception, request: Failed) -> tuple[int, str]:
        """Status and text; what the caller cannot fix is logged with its traceback, and answered without details."""
        if isinstance(error, TrainyardError) and error.http_status != 500:
            return error.http_status, str(error)
        if isinstance(error, MethodNotAllowed):
            useful = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
            return 405, f"{request.method} is not allowed here: use {' or '.join(useful)}"
        if isinstance(error, HTTPException) and error.code:
            hint = f": this server answers {self._known}" if error.code == 404 else ""
            return error.code, f"{error.name}{hint}"
        if isinstance(error, NotADict):
            LOG.error("request %s: %s", request.id, error)
            return 500, str(error)
        LOG.error("request %s: %s %s failed", request.id, request.method, request.path, exc_info=error)
        if hint := confinement.hint(error):
            LOG.error("request %s: %s", request.id, hint)
        return 500, f"{type(error).__name__} in the predict function: see the log for request {request.id}"
