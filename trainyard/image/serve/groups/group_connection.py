"""A client connection that can go over to another group of models, also in the middle of what the client has sent.

It keeps the bytes that came since nothing was on its way, and counts how many of the requests in them were answered: so
the other group reads the same bytes, skips as many requests, and knows all that was known here.
"""

from __future__ import annotations

import os
from typing import Any

import httptools

from trainyard.image.serve.http.connection import Connection
from trainyard.image.serve.http.limits import RECEIVE_BYTES
from trainyard.image.serve.http.parsing import RequestParser
from trainyard.image.serve.request import Request

TRIM_BYTES = 1 << 20  # a client that sends without a pause: what it sent before that is forgotten where it was answered
STEP_BYTES = 1 << 12


class GroupConnection(Connection):
    """``asked``: the groups, as bits, that do not know the model of the request that comes first."""

    __slots__ = ("_answered", "_raw", "_skip", "asked")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._raw = bytearray()
        self._answered = self._skip = 0
        self.asked = 0

    def resume(self, raw: bytes, answered: int, asked: int) -> None:
        """Go on where another group has left off.

        Raises:
            ConnectionError: as ``receive``.
        """
        self._skip, self.asked = answered, asked
        try:
            self.receive(raw)
        finally:
            self._answered += answered

    def receive(self, data: bytes | None = None) -> None:
        """As of any connection; and keep it."""
        if data is None:
            try:
                data = self.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return
        if self.is_idle:
            self._raw, self._answered = bytearray(), 0
        if not self._discarding and not self.lingers:  # else no request comes of it any more
            self._raw += data
            if len(self._raw) > TRIM_BYTES and self._answered:
                self._trim()
        super().receive(data)

    def on_message_complete(self) -> None:
        if self._skip and not self._comes_again():
            self._skip -= 1
            self.reading = False
        else:
            super().on_message_complete()

    def give_up(self) -> None:
        super().give_up()
        self._raw = bytearray()

    def answer(self, request: Request, status: int, body: bytes, content_type: str, more: str = "") -> None:
        self._answered += 1
        self.asked = 0
        super().answer(request, status, body, content_type, more)

    @property
    def unanswered(self) -> tuple[bytes, int]:
        """The bytes to go on from, and how many requests in them were answered."""
        return bytes(self._raw), self._answered

    def _trim(self) -> None:
        self._raw, self._answered = self._raw[end_of(bytes(self._raw), self._answered) :], 0


class _Counter(RequestParser):
    """Counts whole requests."""

    __slots__ = ("whole",)

    def __init__(self) -> None:
        super().__init__()
        self.whole = 0

    def on_message_complete(self) -> None:
        self.whole += not self._comes_again()

    def feed(self, data: bytes) -> int:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._go_on(memoryview(data)[stop.args[0] :])
        return self.whole


def end_of(raw: bytes, requests: int) -> int:
    """Where in ``raw`` the request after so many begins. The parser does not say it, so it is fed byte by byte, once it
    is known among which few thousand."""
    counter, start = _Counter(), 0
    while start < len(raw) and counter.feed(raw[start : start + STEP_BYTES]) < requests:
        start += STEP_BYTES
    counter = _Counter()
    counter.feed(raw[:start])
    while start < len(raw) and counter.whole < requests:
        counter.feed(raw[start : start + 1])
        start += 1
    return start


def in_memory(content: bytes) -> int:
    """A descriptor of a file that holds it; the messages that carry descriptors are small."""
    descriptor = os.memfd_create("trainyard-handover", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor


def from_memory(descriptor: int) -> bytes:
    """What ``in_memory`` was given, in whichever process; the descriptor is closed."""
    with open(descriptor, "rb") as file:
        file.seek(0)
        return file.read()
