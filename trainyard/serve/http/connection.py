"""One client connection: bytes in, whole requests out, answers in the order of the requests.

What is not HTTP, too large, too much or too late is answered here; nothing of it takes a thread.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from typing import Protocol

import httptools

from trainyard.serve.http.limits import LONGEST_HEAD, RECEIVE_BYTES, WAITING_BYTES, Buffers, Limits
from trainyard.serve.http.parsing import NOT_HTTP, RequestParser
from trainyard.serve.http.targets import BadTarget, check_host, in_origin_form
from trainyard.serve.request import Failure, Request, answer_bytes
from trainyard.serve.shared.fairness import ACTIVE_SECONDS

# Most clients see no answer before they have sent their whole body: read on, if that ends soon.
DISCARD_BYTES = 64 << 20
LINGER_SECONDS = 2.0  # without a byte, after the last answer
MOST_LINGER_SECONDS = 30.0
JOINED_BYTES = 1 << 16  # pieces of a body that are small are joined up to this
RETRY_SECONDS = 1
_WORDS = 200  # characters of what was not understood
_SLASH = ord("/")
FULL = Failure(
    503, "too much arrives at once: send this again later, or less at a time", f"Retry-After: {RETRY_SECONDS}\r\n"
)


class Handler(Protocol):
    """What becomes of requests."""

    def on_request(self, request: Request) -> None:
        """Called with each whole request, one at a time."""

    def refusal(self, request: Request) -> Failure | None:
        """Why a request is refused whose body has not arrived, if it is."""

    def failure_bytes(self, request: Request, failure: Failure) -> bytes:
        """The answer to what never becomes a request."""


class Connection(RequestParser):
    """Owned by the event loop of one worker; nothing here blocks."""

    __slots__ = (
        "_arrived", "_asked", "_begun", "_body", "_buffers", "_discarding", "_expects", "_failure", "_handing_on",
        "_handler", "_held", "_host", "_limits", "_linger_until", "_on_request", "_out", "_received", "_seen",
        "_without_body", "began", "busy", "closed", "deadline", "keep_alive", "lingers", "paused", "reading", "sock",
        "waiting", "watched",
    )  # fmt: skip
    _arrived: int  # bytes since the request began, and some before
    _asked: bool  # whether its body may be sent
    _received: int  # of its body
    _seen: int  # of its body, when a read had ended
    _without_body: int  # bytes of its head so far, or since the last piece of its body

    def __init__(self, sock: socket.socket, limits: Limits, handler: Handler, buffers: Buffers[Connection]) -> None:
        self.sock = sock
        self.busy = False  # a request is being answered; later ones wait
        self.reading = False  # a request has begun to arrive
        self.paused = False  # nothing more is read until the request is answered
        self.closed = False
        self.lingers = False  # an answer was sent before all was read
        self.keep_alive = True
        self.waiting: deque[Request] = deque()
        self.watched = select.EPOLLIN  # what the event loop asks to be told of
        self.began = time.monotonic()  # the latest request, or else the connection
        self.deadline = self.began + limits.idle  # on the monotonic clock
        self._handler = handler
        self._on_request = handler.on_request
        self._handing_on = False
        self._limits = limits
        self._buffers = buffers
        self._held = False  # something is noted in the buffers
        self._host = b""  # the last that was found to be good
        self._linger_until = 0.0
        self._out: bytes | memoryview = b""
        self._begun = False  # a request begins in what is being read
        self._failure: tuple[Request, Failure] | None = None
        super().__init__()

    # -- what the parser calls ----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._begun = True
        self._forget()
        self.reading = True
        self.began = time.monotonic()
        self.deadline = self.began + self._limits.head

    def on_headers_complete(self) -> None:
        self._in_head = False
        host = self._headers.get(b"host")
        if host is None or host != self._host or self._url[0] != _SLASH:
            self._read_target(host)
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
        if self._discarding:
            return
        last = self._body[-1] if self._body else None
        if isinstance(last, bytearray) and len(last) + len(piece) <= JOINED_BYTES:
            last += piece  # an object for every few bytes would take many times their size
        else:
            self._body.append(piece if last is None else bytearray(piece))

    def on_message_complete(self) -> None:
        if self._comes_again():
            return
        self.reading = False
        if self._failure:
            return
        if self._discarding:
            self._refuse_body()
            return
        self.keep_alive = self._parser.should_keep_alive()
        request = self._request(b"".join(self._body), self.keep_alive)
        self._body.clear()
        if self.busy or self._out:
            self.waiting.append(request)
        else:
            self.busy = True
            self._on_request(request)

    def _read_target(self, host: bytes | None) -> None:
        try:
            check_host(host, self._parser.get_http_version())
            if self._url[0] != _SLASH:
                self._url, named = in_origin_form(self._parser.get_method(), self._url)
                if named is not None:  # it counts, whatever Host says (RFC 9112, 3.2.2)
                    self._headers[b"host"] = named
            elif host is not None:
                self._host = host
        except BadTarget as error:
            self._fail(*error.failure)

    def _request(self, body: bytes, keep_alive: bool) -> Request:
        path, _, query = self._url.partition(b"?")
        return Request(
            self, self._parser.get_method().decode("latin-1"), path, query, self._headers, body,
            self._parser.get_http_version(), keep_alive, time.monotonic(),
        )  # fmt: skip

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
            self._discard(len(data))
            return
        try:
            self._begun = False
            self._feed(data)
        except httptools.HttpParserError as error:
            self._fail(400, NOT_HTTP + (str(error)[:_WORDS] or type(error).__name__))
        if self.reading or self.waiting or self._held:
            self._note_part(len(data))
        if self._failure and not (self.busy or self.waiting):
            self.answer_failure()

    def answer(self, request: Request, status: int, body: bytes, content_type: str, more: str = "") -> None:
        """Send the answer to the request that this connection waits for, then hand on the next.

        Raises:
            OSError: the client is gone, or does not want another answer.
        """
        self.busy = self.paused = False
        self._send(answer_bytes(request, status, body, content_type, more))
        self._wait_on()
        self.keep_alive = self.keep_alive and request.keep_alive
        if self.waiting:
            self._hand_on()
        elif self._failure:
            self.answer_failure()
        elif not self.keep_alive and not self._out:
            raise ConnectionAbortedError("answered")

    def answer_failure(self) -> None:
        """Say why what has arrived becomes no request.

        Raises:
            OSError: always, once it is sent.
        """
        assert self._failure
        request, failure = self._failure
        self._send(self._handler.failure_bytes(request, failure))
        self.keep_alive = False
        self.lingers = self.reading
        if not self._out:  # else ``flush`` will
            raise ConnectionAbortedError(failure.text)

    def give_up(self) -> None:
        """Forget what has arrived and is not being answered, since too much does: ``answer_failure`` says so."""
        self._fail(*FULL)
        self.waiting.clear()
        self._body.clear()
        self._discarding = True

    def late(self) -> None:
        """The request did not arrive in time: say so, if it has begun.

        Raises:
            OSError: always.
        """
        if self.reading and not self.lingers and not self._out:
            limits = self._limits
            if self._in_head:
                self._fail(408, f"the head of the request did not arrive in time: HEAD_TIMEOUT={limits.head} s")
            else:
                why = f"no byte of it came for BODY_TIMEOUT={limits.silence} s"
                self._fail(408, f"the body did not arrive in time: {why}")
            self.answer_failure()
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
            self._wait_on()
        if self.waiting and not self.busy:
            self._hand_on()
        if not self._out and not self.keep_alive and not self.busy:
            raise ConnectionAbortedError("answered")

    def linger(self) -> None:
        """Say that no more will be sent, and wait for the client to see it.

        Raises:
            OSError: the client is gone.
        """
        now = time.monotonic()
        if not self._linger_until:
            self._linger_until = now + MOST_LINGER_SECONDS
        self.deadline = now + LINGER_SECONDS
        self.sock.shutdown(socket.SHUT_WR)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way, in either direction."""
        return not (self.busy or self.reading or self._out)

    @property
    def is_new(self) -> bool:
        """Whether it has sent no request so far."""
        return not self._url

    def is_active(self, now: float) -> bool:
        """Whether a request came lately."""
        return now - self.began < ACTIVE_SECONDS

    def close(self) -> None:
        """No more of it."""
        self.closed = True
        self.sock.close()
        if self._held:
            self._buffers.hold(self, 0)

    @property
    def sending(self) -> bool:
        """Whether a part of an answer waits for the client to read."""
        return bool(self._out)

    # -- between the two ----------------------------------------------------------------------------------------

    def _discard(self, size: int) -> None:
        self._received += size
        if self._received > DISCARD_BYTES:
            self.lingers = False
            raise ConnectionAbortedError("sends on")
        self.deadline = min(time.monotonic() + LINGER_SECONDS, self._linger_until)

    def _note_part(self, size: int) -> None:
        """A read of so many bytes has ended within a request, or with requests that wait."""
        if self.reading and self._in_head:
            # Of what came with it, some may have been of requests before.
            self._note_without_body(1 if self._begun else size, "the headers are")
        elif self.reading:
            self._note_body(size)
        if self._failure:
            self._body.clear()
            self._discarding = True
        self._arrived = 0 if self._discarding or not self.reading else size if self._begun else self._arrived + size
        held = self._arrived + sum(WAITING_BYTES + len(request.body) for request in self.waiting)
        self._held = held > 0
        self._buffers.hold(self, held)

    def _note_body(self, size: int) -> None:
        if not self._asked:  # may it be sent at all?
            self._asked = True
            if refused := self._handler.refusal(self._request(b"", keep_alive=False)):
                self._fail(*refused)
        if self._expects and not self._failure:
            self._expects = False
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.deadline = time.monotonic() + self._limits.silence
        if self._received == self._seen:
            self._note_without_body(size, "trailers, or what stands between two pieces of the body, are")
        else:
            self._seen, self._without_body = self._received, 0

    def _note_without_body(self, size: int, what: str) -> None:
        self._without_body += size
        if self._without_body > LONGEST_HEAD:
            self._fail(431, f"{NOT_HTTP}{what} longer than {LONGEST_HEAD} bytes")

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

    def _wait_on(self) -> None:
        """Set the time until which something has to happen, after an answer or a part of it was sent."""
        limits = self._limits
        seconds = limits.silence if self._out else limits.head if self.reading else limits.idle
        self.deadline = time.monotonic() + seconds

    def _send(self, data: bytes) -> None:
        pending = b"".join((self._out, data)) if self._out and data else self._out or data
        try:
            sent = self.sock.send(pending) if pending else 0
        except BlockingIOError:
            sent = 0
        self._out = b"" if sent == len(pending) else memoryview(pending)[sent:]

    def _forget(self) -> None:
        self._url = b""
        self._headers = {}
        self._in_head = True
        self._body: list[bytes | bytearray] = []
        self._received = self._seen = self._without_body = self._arrived = 0
        self._discarding = self._expects = self._asked = False

    def _fail(self, status: int, text: str, more: str = "") -> None:
        if self._failure is None:
            request = self._request(b"", keep_alive=False) if self._url else None
            request = request or Request(self, "", b"", b"", {}, b"", "1.1", False, 0.0)
            self._failure = request, Failure(status, text, more)

    def _refuse_body(self) -> None:
        self._fail(413, f"the body is larger than {self._limits.body >> 20} MiB: send fewer rows at a time")
