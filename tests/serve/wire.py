"""A client that sees what goes over the wire: one keep-alive connection, strict about what an answer looks like."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import dataclass

CI = os.environ.get("CI", "") not in ("", "0", "false")


class Broken(Exception):
    """The connection ended before the answer was whole."""


@dataclass(frozen=True)
class Answer:
    """``headers`` by name in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def payload(self):
        return self.json()["payload"]


class Wire:
    """A connection to ``http://host:port``; it is opened again where the server has announced that it closes it."""

    def __init__(self, url: str, timeout: float = 20) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address, self._timeout = (host, int(port)), timeout
        self._sock: socket.socket | None = None
        self._buffer = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock, self._buffer = None, b""

    @property
    def sock(self) -> socket.socket:
        if self._sock is None:
            self._sock = socket.create_connection(self._address, self._timeout)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._sock

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Broken(f"while sending: {error}") from None

    def read(self, method: str = "POST") -> Answer:
        """The next answer.

        Raises:
            Broken: it did not come, or not whole.
        """
        head, _, self._buffer = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        version, status, _phrase = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if status == "100":
            return self.read(method)
        size = 0 if method == "HEAD" or status in ("204", "304") else int(headers["content-length"])
        while len(self._buffer) < size:
            self._more()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        if headers.get("connection") == "close":
            rest = self._rest()
            assert not rest, f"{len(rest)} bytes behind the last answer: {rest[:200]!r}"
            self.close()
        return Answer(int(status), headers, body)

    @property
    def is_open(self) -> bool:
        """Whether the server has kept the connection."""
        return self._sock is not None

    def drain(self) -> None:
        """Read until the server ends the connection; whatever it answers is an answer."""
        with contextlib.suppress(Broken):
            while self._sock is not None:
                self.read()

    def ask(self, data: bytes, method: str = "POST") -> Answer:
        self.send(data)
        return self.read(method)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        return self._buffer

    def _more(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except OSError as error:
            raise Broken(f"{type(error).__name__} after {self._buffer[:100]!r}") from None
        if not data:
            raise Broken(f"closed after {self._buffer[:100]!r}")
        self._buffer += data

    def _rest(self) -> bytes:
        rest = self._buffer
        try:
            while data := self.sock.recv(1 << 16):
                rest += data
        except OSError:
            pass
        return rest


def post(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a request."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def message(rows: object) -> bytes:
    """The body of a prediction."""
    return json.dumps({"payload": {"instances": rows}}).encode()
