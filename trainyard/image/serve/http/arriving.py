"""What arrives on a connection: its bounds, what is kept of it, and why it may not become a request."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

from trainyard.image.serve.http.limits import LONGEST_HEAD, WAITING_BYTES, Buffers, Limits
from trainyard.image.serve.http.parsing import NOT_HTTP, RequestParser
from trainyard.image.serve.http.request_target import BadTarget, check_host, in_origin_form
from trainyard.image.serve.request import Failure, Request

# Most clients see no answer before they have sent their whole body: read on, if that ends soon.
DISCARD_BYTES = 64 << 20
JOINED_BYTES = 1 << 16  # pieces of a body that are small are joined up to this
RETRY_SECONDS = 1
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


class Arrival(RequestParser):
    """Collects one request after another; what follows from one that is whole is a subclass's."""

    __slots__ = (
        "_arrived", "_asked", "_begun", "_body", "_buffers", "_discarding", "_expects", "_failure", "_handler", "_held",
        "_host", "_limits", "_received", "_seen", "_without_body", "began", "deadline", "reading", "waiting",
    )  # fmt: skip
    _asked: bool  # whether the body may be sent
    _received: int  # bytes of the body

    def __init__(self, limits: Limits, handler: Handler, buffers: Buffers[Any]) -> None:
        self.reading = False  # a request has begun to arrive
        self.waiting: deque[Request] = deque()  # for the answers to those before
        self.began = time.monotonic()  # the latest request, or else the connection
        self.deadline = self.began + limits.idle  # on the monotonic clock
        self._handler = handler
        self._limits = limits
        self._buffers = buffers
        self._held = False  # something is noted in the buffers
        self._host = b""  # the last that was found to be good
        self._begun = False  # a request begins in what is being read
        self._arrived = 0  # bytes since the request began, and some before
        self._seen = 0  # bytes of the body, when a read had ended
        self._without_body = 0  # bytes of the head so far, or since the last piece of the body
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
        if host != self._host or self._url[0] != _SLASH:
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
            self._body.append(piece if last is None or len(piece) >= JOINED_BYTES else bytearray(piece))

    # -- what subclasses call -----------------------------------------------------------------------------------

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

    def _request(self, body: bytes = b"", keep_alive: bool = False) -> Request:
        path, _, query = self._url.partition(b"?")
        # To ask for the version takes longer than all the rest; HTTP/1.0 keeps no connection that does not say so.
        is_usual = keep_alive and b"connection" not in self._headers
        return Request(
            self, self._parser.get_method().decode("latin-1"), path, query, self._headers, body,
            "1.1" if is_usual else self._parser.get_http_version(), keep_alive, time.monotonic(),
        )  # fmt: skip

    def give_up(self) -> None:
        """Forget what has arrived and is not being answered, since too much does: ``answer_failure`` says so."""
        self._fail(*FULL)
        self.waiting.clear()
        self._body.clear()
        self._discarding = True

    def _note_part(self, size: int) -> bool:
        """A read of so many bytes has ended within a request, or with requests that wait. True: its body is wanted."""
        wanted = False
        if self._begun:
            self._arrived = self._without_body = 0
        self._arrived += size
        if self.reading and self._in_head:
            # Of what came with it, some may have been of requests before.
            self._note_without_body(1 if self._begun else size, "the headers are")
        elif self.reading:
            wanted = self._note_body(size)
        if self._failure:
            self._body.clear()
            self._discarding = True
        self._note_held()
        return wanted

    def _note_held(self) -> None:
        held = self._arrived if self.reading and not self._discarding else 0
        held += sum(WAITING_BYTES + len(request.body) for request in self.waiting)
        self._held = held > 0
        self._buffers.hold(self, held)

    def _note_body(self, size: int) -> bool:
        if not self._asked:  # may it be sent at all?
            self._asked = True
            self._seen, self._without_body = self._received, 0
            if refused := self._handler.refusal(self._request()):
                self._fail(*refused)
        elif self._received == self._seen:
            self._note_without_body(size, "trailers, or what stands between two pieces of the body, are")
        else:
            self._seen, self._without_body = self._received, 0
        self.deadline = time.monotonic() + self._limits.silence
        wanted, self._expects = self._expects and not self._failure, False
        return wanted

    def _note_without_body(self, size: int, what: str) -> None:
        self._without_body += size
        if self._without_body > LONGEST_HEAD:
            self._fail(431, f"{NOT_HTTP}{what} longer than {LONGEST_HEAD} bytes")

    def _forget(self) -> None:
        self._url = b""
        self._headers = {}
        self._in_head = True
        self._body: list[bytes | bytearray] = []
        self._received = 0
        self._discarding = self._expects = self._asked = False

    def _fail(self, status: int, text: str, more: str = "") -> None:
        if self._failure is None:
            request = self._request() if self._url else None
            request = request or Request(self, "", b"", b"", {}, b"", "1.1", False, 0.0)
            self._failure = request, Failure(status, text, more)

    def _refuse_body(self) -> None:
        self._fail(413, f"the body is larger than {self._limits.body >> 20} MiB: send fewer rows at a time")
