"""Small HTTP servers of tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TypeVar

from trainyard.settings.host import HostSettings

Server = TypeVar("Server", bound=HTTPServer)


class Quiet(BaseHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def refuse(self, status: int, **headers: str) -> None:
        """An answer without a body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_on(self, prefix: str) -> None:
        """To the real index, which is asked for what follows ``prefix``."""
        real = (HostSettings.read().index_url or "https://pypi.org/simple").rstrip("/")
        self.refuse(302, Location=real + self.path.removeprefix(prefix))


@contextmanager
def answering(server: Server) -> Iterator[Server]:
    """The server, answering from a thread."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
