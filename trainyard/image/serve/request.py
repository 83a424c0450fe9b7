"""One HTTP request, and the bytes of the answer to it."""

from __future__ import annotations

import functools
import os
import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple

JSON_TYPE = "application/json"
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(slots=True)
class Request:
    """A request that has arrived whole. ``path`` is without its query; header names are in lower case."""

    connection: Any
    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    version: str  # of HTTP: "1.1"
    keep_alive: bool
    arrived: float  # on the monotonic clock
    size: int = 0  # bytes of the body as a batch counts them
    dialect: Any = None  # of the path, where it is a prediction's
    meter: Any = None  # of its route
    version_line: str = ""  # a whole header line that says which model answers
    answered: bool = False
    root: bytes = b""  # what stood before ``path``: ROOT_PATH

    @property
    def id(self) -> str:
        """The caller's X-Request-Id where it is fit for a log line, else one of our own."""
        given = self.headers.get(b"x-request-id")
        if given is None or not _SANE_ID.fullmatch(given):
            given = self.headers[b"x-request-id"] = os.urandom(8).hex().encode()
        return given.decode()


class Failure(NamedTuple):
    """The answer to what is not dispatched: a status, a line of text, whole header lines."""

    status: int
    text: str
    more: str = ""


def answer_bytes(request: Request, status: int, body: bytes, content_type: str = JSON_TYPE, more: str = "") -> bytes:
    """The answer as it goes over the wire. ``more`` are whole header lines, each with its line end."""
    connection = "" if request.keep_alive else "Connection: close\r\n"
    if request.keep_alive and request.version == "1.0":
        connection = "Connection: keep-alive\r\n"
    head = (
        f"{status_line(status)}Date: {http_date(int(time.time()))}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-Id: {request.id}\r\n{connection}{more}\r\n"
    )
    return head.encode("latin-1") if request.method == "HEAD" else head.encode("latin-1") + body


@functools.cache
def status_line(status: int) -> str:
    """``HTTP/1.1 200 OK`` and the line end."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n"


@functools.lru_cache(maxsize=1)
def http_date(seconds: int) -> str:
    """The Date header of this second (RFC 9110, 6.6.1)."""
    return formatdate(seconds, usegmt=True)
