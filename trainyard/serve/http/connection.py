"""One client connection: bytes in, whole requests out, answers in the order of the requests.

Parsed by llhttp, the parser of Node.js, through httptools. What is not HTTP, too large or too late is answered here;
nothing of it takes a thread.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import httptools

from trainyard.serve.request import Request, answer_bytes
from trainyard.serve.shared.fairness import ACTIVE_SECONDS
from trainyard.settings import ImageSettings

RECEIVE_BYTES = 1 << 18
LONGEST_LINE = 8190  # of the request line, and of one header
LONGEST_HEAD = 1 << 16
# Most clients see no answer before they have sent their whole body: read on, if that ends soon.
DISCARD_BYTES = 64 << 20
LINGER_SECONDS = 2.0
KEEPALIVE = 15.0  # seconds that an idle connection stays open
MOST_ARRIVAL_SECONDS = 30.0  # a body of 16 MiB at 5 Mbit/s
_WORDS = 200  # characters of what was not understood


@dataclass(frozen=True)
class Limits:
    """What a client may do: ``body`` in bytes; ``arrival`` of a request and ``idle`` between two, in seconds."""

    body: int
    arrival: float
    idle: float

    @classmethod
    def of(cls, settings: ImageSettings) -> Limits:
        """What the settings say."""
        return cls(
            body=settings.max_body_mb << 20,
            arrival=min(settings.timeout or MOST_ARRIVAL_SECONDS, MOST_ARRIVAL_SECONDS),
            idle=KEEPALIVE,
        )


class Connection:
    """Owned by the event loop of one worker; nothing here blocks."""

    __slots__ = (
        "_active", "_begun", "_body", "_discarding", "_expects", "_failure", "_failure_bytes", "_handing_on",
        "_head_bytes", "_headers", "_in_head", "_limits", "_on_request", "_out", "_parser", "_received", "_url", "busy",
        "closed", "deadline", "keep_alive", "lingers", "paused", "reading", "sock", "waiting", "watched",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, limits: Limits, on_request: Callable[[Request], None],
        failure_bytes: Callable[[Request, int, str], bytes],
    ) -> None:  # fmt: skip
        """``on_request`` is called with each whole request, one at a time; ``failure_bytes`` writes the answer to what
        never becomes one: status and text.
        """
        self.sock = sock
        self.busy = False  # a request is being answered; later ones wait
        self.reading = False  # a request has begun to arrive
        self.paused = False  # nothing more is read until the request is answered
        self.closed = False
        self.lingers = False  # an answer was sent before all was read
        self.keep_alive = True
        self.waiting: deque[Request] = deque()
        self.watched = select.EPOLLIN  # what the event loop asks to be told of
        self._active = time.monotonic()
        self.deadline = self._active + limits.idle  # on the monotonic clock
        self._on_request = on_request
        self._failure_bytes = failure_bytes
        self._handing_on = False
        self._limits = limits
        self._out: bytes | memoryview = b""
        self._parser = httptools.HttpRequestParser(self)
        self._begun = False  # a request begins in what is being read
        self._failure: tuple[int, str] | None = None
        self._forget()

    # -- what the parser calls ----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._begun = True
        self._forget()
        self.reading = True
        self._active = time.monotonic()
        self.deadline = self._active + self._limits.arrival

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > LONGEST_LINE:
            self._fail(414, f"the request line is longer than {LONGEST_LINE} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) + len(value) > LONGEST_LINE:
            self._fail(431, f"a header is longer than {LONGEST_LINE} bytes")
        name = name.lower()
        known = self._headers.get(name)
        self._headers[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        self._in_head = False
        announced = self._headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limits.body:
            self._discarding = True
            if int(announced) > DISCARD_BYTES or b"expect" in self._headers:
                self._refuse_body()
        elif self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._expects = True

    def on_body(self, piece: bytes) -> None:
        self._received += len(piece)
        if self._received > self._limits.body:
            self._discarding = True
            self._body.clear()
            if self._received > DISCARD_BYTES:
                self._refuse_body()
        if not self._discarding:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        self.reading = False
        if self._failure:
            return
        if self._discarding:
            self._refuse_body()
            return
        self.keep_alive = self._parser.should_keep_alive()
        path, _, query = self._url.partition(b"?")
        request = Request(
            self, self._parser.get_method().decode("latin-1"), path, query, self._headers,
            b"".join(self._body), self._parser.get_http_version(), self.keep_alive, time.monotonic(),
        )  # fmt: skip
        self._body.clear()
        if self.busy or self._out:
            self.waiting.append(request)
        else:
            self.busy = True
            self._on_request(request)

    # -- what the worker calls ----------------------------------------------------------------------------------

    def receive(self, data: bytes | None = None) -> None:
        """Read what has come, once; requests that are whole now go to ``on_request``. ``data``: it was read already.

        Raises:
            ConnectionError: the client has closed, or was told that what it sent cannot be understood.
        """
        try:
            data = self.sock.recv(RECEIVE_BYTES) if data is None else data
        except BlockingIOError:
            return
        if not data:
            self.lingers = False
            raise ConnectionResetError("closed by the client")
        if self.lingers:
            return
        try:
            self._begun = False
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.keep_alive = False  # we speak nothing else: the request is answered as HTTP/1.1, and that is all
        except httptools.HttpParserError as error:
            self._fail(400, str(error)[:_WORDS] or type(error).__name__)
        if self._in_head and self.reading:
            # Of what came with it, some may have been of requests before.
            self._head_bytes += 1 if self._begun else len(data)
            if self._head_bytes > LONGEST_HEAD:
                self._fail(431, f"the headers are longer than {LONGEST_HEAD} bytes")
        if self._expects:
            self._expects = False
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._failure and not (self.busy or self.waiting):
            self._answer_failure()

    def answer(self, request: Request, status: int, body: bytes, content_type: str, more: str = "") -> None:
        """Send the answer to the request that this connection waits for, then hand on the next.

        Raises:
            OSError: the client is gone, or does not want another answer.
        """
        self.busy = self.paused = False
        self.deadline = time.monotonic() + self._limits.idle
        self._send(answer_bytes(request, status, body, content_type, more))
        self.keep_alive = self.keep_alive and request.keep_alive
        if self.waiting:
            self._hand_on()
        elif self._failure:
            self._answer_failure()
        elif not self.keep_alive and not self._out:
            raise ConnectionAbortedError("answered")

    def _hand_on(self) -> None:
        """The requests that waited, one after another; in a loop, since ``on_request`` may answer before it returns.

        No further than the client reads: answers to thousands of small requests need not all be kept.
        """
        if self._handing_on:
            return
        self._handing_on = True
        try:
            while self.waiting and not (self.busy or self.closed or self._out):
                self.busy = True
                self._on_request(self.waiting.popleft())
        finally:
            self._handing_on = False

    def late(self) -> None:
        """The request did not arrive in time: say so, if its headers did.

        Raises:
            OSError: always.
        """
        if self.reading and not self._in_head and not self.lingers:
            self._fail(408, "the body did not arrive in time: send it without a pause")
            self._answer_failure()
        self.lingers = False
        raise ConnectionAbortedError("late")

    def flush(self) -> None:
        """Go on sending.

        Raises:
            OSError: the client is gone, or this was the last that it wanted.
        """
        before = len(self._out)
        self._send(b"")
        if len(self._out) < before:  # it reads, if slowly
            self.deadline = time.monotonic() + self._limits.idle
        if self.waiting and not self.busy:
            self._hand_on()
        if not self._out and not self.keep_alive and not self.busy:
            raise ConnectionAbortedError("answered")

    def linger(self) -> None:
        """Say that no more will be sent, and wait for the client to see it.

        Raises:
            OSError: the client is gone.
        """
        self.deadline = min(self.deadline, time.monotonic() + LINGER_SECONDS)
        self.sock.shutdown(socket.SHUT_WR)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way, in either direction."""
        return not (self.busy or self.reading or self._out)

    def is_active(self, now: float) -> bool:
        """Whether a request came lately."""
        return now - self._active < ACTIVE_SECONDS

    def close(self) -> None:
        """No more of it."""
        self.closed = True
        self.sock.close()

    def _send(self, data: bytes) -> None:
        pending = b"".join((self._out, data)) if self._out and data else self._out or data
        try:
            sent = self.sock.send(pending) if pending else 0
        except BlockingIOError:
            sent = 0
        self._out = b"" if sent == len(pending) else memoryview(pending)[sent:]

    @property
    def sending(self) -> bool:
        """Whether a part of an answer waits for the client to read."""
        return bool(self._out)

    def _forget(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._received = self._head_bytes = 0
        self._in_head = True
        self._discarding = self._expects = False

    def _fail(self, status: int, text: str) -> None:
        if self._failure is None:
            prefix = "" if status in (408, 413) else "not a good HTTP request: "
            self._failure = status, prefix + text

    def _refuse_body(self) -> None:
        self._fail(413, f"the body is larger than {self._limits.body >> 20} MiB: send fewer rows at a time")

    def _answer_failure(self) -> None:
        assert self._failure
        status, text = self._failure
        path = self._url.partition(b"?")[0]
        method = self._parser.get_method().decode("latin-1") if self._url else ""
        request = Request(self, method, path, b"", self._headers, b"", "1.1", False, 0.0)
        self._send(self._failure_bytes(request, status, text))
        self.keep_alive = False
        self.lingers = self.reading
        if not self._out:  # else ``flush`` will
            raise ConnectionAbortedError(text)
