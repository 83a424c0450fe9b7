"""gunicorn's thread worker, with the ends that a container needs, and threads that do not wait for slow clients."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from trainyard.serve.arrival import arrived, begin, cut_late
from trainyard.serve.codec import JSON

DRAIN_STEP = 0.1  # seconds between two looks at what is still in flight
_LONGEST = 200  # characters of gunicorn's own words
_STATUS = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class DrainingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Finishes what is in flight on SIGTERM, and does not wait for clients that merely stay connected."""

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the event loop; while stopping, first what has arrived, then idle connections are closed."""
        cut_late()
        if self.alive:
            super().wait_for_and_dispatch_events(timeout)
            return
        # gunicorn would sleep here until the whole grace period is over.
        super().wait_for_and_dispatch_events(min(timeout, DRAIN_STEP))
        for idle in (self.keepalived_conns, getattr(self, "pending_conns", None) or ()):
            while idle:
                self._drop(idle.popleft())

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to a thread once it has sent something; gunicorn would let a thread wait for it."""
        if conn.initialized or getattr(conn, "data_ready", True):  # no such attribute: gunicorn 25.0
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: Any) -> Any:
        """Serve one request, in a thread; a connection whose request was cut off is closed."""
        arrival = begin(conn.sock, self.cfg.timeout)
        try:
            result = super().handle(conn)
        finally:
            arrived()
        return False if arrival.late else result

    def handle_error(self, _request: Any, client: socket.socket, address: Any, error: Exception) -> None:
        """Answer what is no HTTP, which never reaches the application, in the application's one shape of errors."""
        if isinstance(error, errors.ParseException):
            status = _STATUS.get(type(error), HTTPStatus.BAD_REQUEST)
            text = f"not a good HTTP request: {str(error)[:_LONGEST]}"
            self.log.warning("Invalid request from ip=%s: %s", (address or ("",))[0], error)
        else:
            status, text = HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed: see the log"
            self.log.exception("Error handling a request")
        body = JSON.dumps({"payload": {"success": False, "error": text}})
        head = f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        with contextlib.suppress(OSError):  # the client is gone
            util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _drop(self, connection: Any) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):  # closed by the client meanwhile
            self.poller.unregister(connection.sock)
        self.nr_conns -= 1
        connection.close()

    def handle_quit(self, _signal: int, _frame: Any) -> None:
        """Ctrl-C: stop now. sys.exit, which gunicorn calls, may land in the middle of the user's imports."""
        os._exit(0)
