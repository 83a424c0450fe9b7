"""Bytes to requests: llhttp, the parser of Node.js, through httptools, without its stop at another protocol."""

from __future__ import annotations

import httptools

from trainyard.image.serve.http.limits import LONGEST_LINE

NOT_HTTP = "not a good HTTP request: "
CONNECT = b"CONNECT"


class RequestParser:
    """Collects the target and the headers of one request after another; what is done with them is a subclass's.

    A request that offers another protocol (``Upgrade: h2c``, as Java's client and ``curl --http2`` do) is a request
    like any other to a server that does not speak it (RFC 9110, 7.8). llhttp stops behind its head all the same, and
    leaves its body out. So the head is given to it once more, without the offer.
    """

    __slots__ = ("_headers", "_in_head", "_parser", "_url")

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._forget()

    # -- what llhttp calls --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._forget()

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > LONGEST_LINE:
            self._fail(414, f"{NOT_HTTP}the request line is longer than {LONGEST_LINE} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep it. One that follows the body is dropped: a trailer is no header (RFC 9110, 6.5.1)."""
        if len(name) + len(value) > LONGEST_LINE:
            self._fail(431, f"{NOT_HTTP}a header is longer than {LONGEST_LINE} bytes")
        if self._in_head:
            name = name.lower()
            known = self._headers.get(name)
            self._headers[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        self._in_head = False

    # -- what subclasses call -----------------------------------------------------------------------------------

    def _fail(self, status: int, text: str, more: str = "") -> None:
        """Called where what arrives cannot become a request: how it is to be answered."""

    def _go_on(self, rest: memoryview) -> None:
        """Parse on behind a head at which llhttp has stopped.

        Raises:
            httptools.HttpParserError: it is not HTTP/1.
        """
        while self._parser.get_method() != CONNECT:
            head = self._head_without_offer()
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(head)
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as stop:
                rest = rest[stop.args[0] :]
            else:
                return

    def _comes_again(self) -> bool:
        """Whether the message that ends here is the head alone of one that ``_go_on`` parses once more."""
        return bool(self._parser.should_upgrade())

    def _head_without_offer(self) -> bytes:
        version = self._parser.get_http_version().encode()
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self._headers.items() if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _forget(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._in_head = True
