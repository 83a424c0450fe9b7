"""A proxy in front of an S3 server that counts what is asked, and does to the answers what a test says."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from servers import Quiet, answering

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
_PIECE = 1 << 16


class Hostile(ThreadingHTTPServer):
    """``before`` may answer instead of the server, and returns whether it did; ``edit`` changes a list."""

    daemon_threads = True
    target: str
    before: Callable[[Handler], bool] = staticmethod(lambda _: False)
    edit: Callable[[bytes], bytes] = staticmethod(lambda body: body)
    pause = 0.0  # seconds after each piece of an object's content

    def begin(self, target: str) -> None:
        self.target = target
        self.asked: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fetched(self) -> list[str]:
        """The objects whose content was asked for, with the offset where it is a part."""
        return [one.removeprefix("GET ") for one in self.asked if one.startswith("GET ") and "?" not in one]

    def lists(self) -> list[str]:
        return [one for one in self.asked if "list-type" in one]


class Handler(Quiet, BaseHTTPRequestHandler):
    server: Hostile
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        server = self.server
        ranged = re.match(r"bytes=(\d+)", self.headers.get("Range", ""))
        with server.lock:
            server.asked.append(f"{self.command} {unquote(self.path)}{f' from {ranged[1]}' if ranged else ''}")
            number = len(server.asked)
        self.number = number
        with contextlib.suppress(ConnectionError):
            if not server.before(self):
                self._forward()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    @property
    def key(self) -> str:
        """Of the object; empty where the bucket is asked."""
        return unquote(urlsplit(self.path).path).strip("/").partition("/")[2]

    @property
    def is_content(self) -> bool:
        return self.command == "GET" and "?" not in self.path

    def lose(self) -> bool:
        """The connection, without an answer."""
        self.close_connection = True
        self.connection.shutdown(2)
        return True

    def answer(self, status: int, code: str) -> bool:
        """An error as S3 words it."""
        body = ERROR.format(code=code).encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def _forward(self) -> None:
        place = urlsplit(self.server.target)
        upstream = http.client.HTTPConnection(place.hostname or "", place.port)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        content = b"" if self.is_content or self.command == "HEAD" else self.server.edit(answer.read())
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        length = answer.headers["Content-Length"] if self.is_content or self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.is_content:
            while piece := answer.read(_PIECE):
                self.wfile.write(piece)
                time.sleep(self.server.pause)
        else:
            self.wfile.write(content)
        upstream.close()


@contextmanager
def hostile(target: str) -> Iterator[Hostile]:
    """A proxy in front of the S3 server at the URL ``target``."""
    server = Hostile(("127.0.0.1", 0), Handler)
    server.begin(target)
    with answering(server):
        yield server
