"""One line of each request, with what it took; written to stderr once for all requests of a turn of the event loop."""

from __future__ import annotations

import os
import sys
import time

from trainyard.image.serve.logs import timestamp
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.request import Request
from trainyard.settings.image import ImageSettings


class AccessLog:
    """Of one worker."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lines: list[bytes] = []
        self._pid = os.getpid()

    @classmethod
    def of(cls, settings: ImageSettings) -> AccessLog | None:
        """The log that the settings ask for; None for none."""
        wanted = settings.access_log or settings.log_level == "debug"
        return cls(as_json=settings.log_format == "json") if wanted else None

    def add(self, request: Request, status: int, size: int, seconds: float) -> None:
        """A request was answered by ``size`` bytes, so many seconds after it had arrived."""
        facts = {
            "time": timestamp(time.time()),
            "pid": self._pid,
            "level": "info",
            "logger": "access",
            "client": _client(request),
            "method": request.method,
            "path": (request.root + request.path).decode("latin-1"),
            "status": status,
            "bytes_in": len(request.body),
            "bytes_out": size,
            "ms": round(seconds * 1000, 3),
            "version": request.version_line.partition(": ")[2].rstrip(),
            "request_id": request.id,
        }
        if self._as_json:
            self._lines.append(JSON.dumps(facts))
        else:
            text = '[{time}] [{pid}] [ACCESS] {client} "{method} {path}" {status} {bytes_out} {ms}ms {request_id}'
            self._lines.append(text.format(**facts).encode("ascii", "backslashreplace"))

    def write(self) -> None:
        """Write the lines of this turn."""
        if self._lines:
            sys.stderr.flush()
            lines, self._lines = self._lines, []
            sys.stderr.buffer.write(b"\n".join(lines) + b"\n")
            sys.stderr.buffer.flush()


def _client(request: Request) -> str:
    try:
        return str(request.connection.sock.getpeername()[0])
    except OSError:  # gone
        return "-"
