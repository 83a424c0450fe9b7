"""What a dialect is: reads a request of one path, writes the answer to it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from trainyard.contract.message import Message
from trainyard.image.serve.request import JSON_TYPE, Request


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
