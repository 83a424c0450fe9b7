"""One client connection: bytes in, whole requests out, answers in the order of the requests.

What is not HTTP, too large, too much or too late is answered here; nothing of it takes a thread.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

import httptools

from trainyard.image.serve.http.arriving import DISCARD_BYTES, Arrival, Handler
from trainyard.image.serve.http.limits import MOST_AT_ONCE, RECEIVE_BYTES, Buffers, Limits
from trainyard.image.serve.http.parsing import NOT_HTTP
from trainyard.image.serve.request import Request, answer_bytes
from trainyard.image.serve.shared.fairness import ACTIVE_SECONDS

LINGER_SECONDS = 2.0  # without a byte, after the last answer
MOST_LINGER_SECONDS = 30.0
_WORDS = 200  # characters of what was not understood


class Connection(Arrival):
    """Owned by the event loop of one worker; nothing here blocks."""

    __slots__ = (
        "_handing_on", "_linger_until", "_on_request", "_out", "busy", "closed", "keep_alive", "left", "lingers",
        "paused", "sock", "watched",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, limits: Limits, handler: Handler, buffers: Buffers[Any]) -> None:
        super().__init__(limits, handler, buffers)
        self.sock = sock
        self.busy = False  # a request is being answered; later ones wait
        self.paused = False  # nothing more is read until the request is answered
        self.closed = False
        self.lingers = False  # an answer was sent before all was read
        self.keep_alive = True
        self.left = MOST_AT_ONCE  # requests that may be handed on in this turn
        self.watched = select.EPOLLIN  # the events that epoll reports to the event loop
        self._on_request = handler.on_request
        self._handing_on = False
        self._linger_until = 0.0
        self._out: bytes | memoryview = b""

    # -- what the parser calls ----------------------------------------------------------------------------------

    def on_message_complete(self) -> None:
        if b"upgrade" in self._headers and self._comes_again():
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
        if self.busy or self._out or not self.left:
            self.waiting.append(request)
        else:
            self.left -= 1
            self.busy = True
            self._on_request(request)

    # -- what the worker calls ----------------------------------------------------------------------------------

    def receive(self, data: bytes | None = None) -> None:
        """Read what has come, once; requests that are whole now go to ``on_request``. ``data``: it was read already.

        Raises:
            ConnectionError: the client has closed, or has the answer that what it sent cannot be understood.
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
        self._begun = False
        self.left = MOST_AT_ONCE
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                self._go_on(memoryview(data)[stop.args[0] :])
        except httptools.HttpParserError as error:
            self._fail(400, NOT_HTTP + (str(error)[:_WORDS] or type(error).__name__))
        if (self.reading or self.waiting or self._held) and self._note_part(len(data)):
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.waiting:
            self._hand_on()
        if self._failure and not (self.busy or self.waiting):
            self.answer_failure()

    def answer(self, request: Request, status: int, body: bytes, content_type: str, more: str = "") -> None:
        """Send the answer to the request that this connection waits for, then hand on the next.

        Raises:
            OSError: the client is gone, or does not want another answer.
        """
        self.busy = self.paused = False
        self._send(answer_bytes(request, status, body, content_type, more))
        self.deadline = time.monotonic() + self._limits.idle
        if self.reading or self._out:
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
        return not (self.busy or self.reading or self.waiting or self._out)

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

    def go_on(self) -> None:
        """Hand on more of the requests that wait, in a new turn.

        Raises:
            OSError: as ``answer``.
        """
        self.left = MOST_AT_ONCE
        self._hand_on()

    def _hand_on(self) -> None:
        """The requests that waited, one after another; in a loop, since ``on_request`` may answer before it returns.

        No further than the client reads: answers to thousands of small requests need not all be kept.
        """
        if self._handing_on:
            return
        self._handing_on = True
        try:
            while self.waiting and not (self.busy or self.closed or self._out):
                if not self.left:
                    self._buffers.later[self] = None
                    break
                self.left -= 1
                self.busy = True
                self._on_request(self.waiting.popleft())
        finally:
            self._handing_on = False
        if self._held and not self.waiting:
            self._note_held()

    def _wait_on(self) -> None:
        """Set the time until which more of a request has to come, or more of an answer to be read."""
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
