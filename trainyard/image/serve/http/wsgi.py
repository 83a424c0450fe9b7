"""Calls a WSGI application (PEP 3333) for one request: what is not a prediction goes to Flask this way."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from trainyard.image.serve.request import Request

_NOT_PREFIXED = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
_OURS = ("content-length", "content-type", "connection", "date", "x-request-id")


def call_wsgi(
    application: Callable[[dict[str, Any], Any], Iterable[bytes]], request: Request, more: dict[str, Any]
) -> tuple[int, bytes, str, str]:
    """Status, body, content type and further header lines of the application's answer.

    Args:
        application: called once, to its end.
        request: goes into the environment.
        more: further keys of the environment.
    """
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], None]:
        started.append((status, headers))
        return lambda _piece: None

    pieces = application(_environ(request) | more, start_response)
    try:
        body = b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    status, headers = started[-1]
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "text/plain")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers if name.lower() not in _OURS)
    return int(status.split(" ", 1)[0]), body, content_type, lines


def _environ(request: Request) -> dict[str, Any]:
    host, port = request.connection.sock.getsockname()[:2]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.root.decode("latin-1"),
        "RAW_URI": request.path.decode("latin-1"),  # not unquoted, as gunicorn names it
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers.items():
        key = _NOT_PREFIXED.get(name) or f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        if key != "CONTENT_LENGTH":
            environ[key] = value.decode("latin-1")
    return environ
