"""What a dialect is: reads a request of one path, writes the answer to it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from trainyard.errors import TrainyardError
from trainyard.message import Message
from trainyard.serve.request import JSON_TYPE, Request


class Written(NamedTuple):
    """An answer with status 200. ``more`` are whole header lines, each with its line end."""

    body: bytes
    content_type: str = JSON_TYPE
    more: str = ""


class Dialect(Protocol):
    """Called by the event loop or by one of its threads, for one request after another."""

    def read(self, request: Request) -> Message:
        """The message of a request that has arrived.

        Raises:
            TrainyardError: with the status of the answer; BadRequest for a body that is not understood.
        """

    def write(self, answer: dict[str, Any], request: Request) -> Written:
        """The answer that the function gave: ``{"payload": ...}``.

        Raises:
            TypeError: it holds what cannot be written.
        """

    def error(self, status: int, text: str) -> bytes:
        """The JSON body of an answer that says what went wrong."""


class Compressed(TrainyardError):
    """A body with a Content-Encoding; HTTP 415."""

    http_status = 415


def refuse_compressed(request: Request) -> None:
    """Raises Compressed where the body is."""
    encoding = request.headers.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        shown = encoding[:40].decode("latin-1")
        raise Compressed(f"the body is compressed (Content-Encoding: {shown})", "send it uncompressed")
