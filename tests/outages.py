"""A server with something wrong about it, for tests of those who ask an index or a registry."""

from __future__ import annotations

import contextlib
import hashlib
import time
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from servers import Quiet, answering

PAGE = b"<html><body><h1>Please log in</h1></body></html>"


class Outage(ThreadingHTTPServer):
    """An index with something wrong about it, or (``silent``, ``dripping``) a server of anything else."""

    daemon_threads = True
    kind = ""

    @property
    def index(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple"


class Handler(Quiet, BaseHTTPRequestHandler):
    server: Outage

    def do_GET(self) -> None:
        kind = self.server.kind
        if kind == "silent":
            time.sleep(60)
        elif kind == "dripping":
            self._drip()
        elif self.path.endswith(".whl"):
            self._answer(200, b"not what was locked")
        elif kind == "wrong package":
            name = self.path.strip("/").split("/")[-1]
            files = {"colorama": "colorama-0.4.6-py2.py3-none-any.whl"}
            digest = hashlib.sha256(b"not what was locked").hexdigest()
            page = f'<a href="/{files[name]}#sha256={digest}">{files[name]}</a>' if name in files else ""
            self._answer(200, page.encode())
        else:
            status = int(kind) if kind.isdecimal() else 200
            self._answer(status, b"{" if kind == "no JSON" else PAGE, "json" if kind == "no JSON" else "html")

    do_HEAD = do_GET  # noqa: N815 -- the server's name for it

    def _answer(self, status: int, body: bytes, form: str = "html") -> None:
        self.send_response(status)
        types = {"html": "text/html", "json": "application/vnd.pypi.simple.v1+json"}
        self.send_header("Content-Type", types[form])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked has given up, as it should
            for _ in range(60):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.5)


def serving_badly() -> AbstractContextManager[Outage]:
    return answering(Outage(("127.0.0.1", 0), Handler))
