"""The event loop of a worker: connections in, predictions between, answers out. One thread does it all, but for calls
that take long (``prediction.batching``), so a request costs no hand-over and a slow client costs nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from trainyard.errors import TrainyardError
from trainyard.serve.app import REQUEST_ID, Application
from trainyard.serve.dialects.dialect import Dialect
from trainyard.serve.http.access_log import AccessLog
from trainyard.serve.http.connection import Connection, Limits
from trainyard.serve.http.error_answers import Failed
from trainyard.serve.http.request import JSON_TYPE, Request, answer_bytes
from trainyard.serve.http.wsgi import call_wsgi
from trainyard.serve.metrics.meters import PAGES, RouteMeter
from trainyard.serve.prediction.batching import Batch, Overloaded, RouteQueue
from trainyard.serve.processes.board import Row, out_of_service
from trainyard.serve.processes.common import Common
from trainyard.serve.processes.fairness import ACTIVE_SECONDS, Share

MOST_CONNECTIONS = 1000  # of one worker; more wait in the kernel's queue
SWEEP_SECONDS = 0.25  # between two looks at what is late
QUIET_SECONDS = 0.1  # without a new connection, before a worker that stops leaves


class EventLoop:
    """Serves an application on listening sockets."""

    def __init__(
        self, application: Application, listeners: Sequence[socket.socket], wake: tuple[int, int], common: Common,
        row: Row,
    ) -> None:  # fmt: skip
        """
        Args:
            application: what is served.
            listeners: where new connections come from.
            wake: both ends of a pipe, whose reading end ends the waiting of ``turn``.
            common: settings, board, and where connections come from and go to that another worker has begun.
            row: of this worker, on the board.
        """
        settings, board = common.settings, common.board
        self.stuck = False  # in a call that does not end
        self._application = application
        self._listeners = list(listeners)
        self._given, self._giving = common.handover
        self._sources: dict[int, Callable[[], socket.socket]] = {
            listener.fileno(): functools.partial(_accept_from, listener) for listener in listeners
        }
        self._sources[self._given.fileno()] = functools.partial(_receive_from, self._given)
        self._wake_read, self._wake_write = wake
        self._limits = Limits.of(settings)
        self._timeout = settings.timeout
        self._share = Share(board, row)
        self._outages = common.own.cells
        self._pages = RouteMeter(board, row, PAGES)
        self._access_log = AccessLog.of(settings)
        self._pool = ThreadPoolExecutor(settings.threads, "predict")
        self._connections: dict[int, Connection] = {}
        self._queues = {
            endpoint: RouteQueue(
                endpoint, settings.threads, settings.max_wait, RouteMeter(board, row, endpoint.route.path),
                board.counter(out_of_service(endpoint.route.path)),
            )
            for endpoint in application.endpoints
        }  # fmt: skip
        self._posts = {
            path.encode() + slash: (self._queues[endpoint], dialect)
            for path, (endpoint, dialect) in application.posts.items()
            for slash in (b"", b"/")
        }
        self._touched: dict[RouteQueue, None] = {}  # with something new to do, in the order that it came
        self._done: deque[tuple[RouteQueue, Batch]] = deque()  # by the threads
        self._draining_since = 0.0
        self._listening = False
        self._now = self._swept = self._accepted = time.monotonic()
        self._resume_at = 0.0
        self._epoll = select.epoll()
        self._epoll.register(self._wake_read, select.EPOLLIN)

    def turn(self, timeout: float) -> None:
        """Wait for something to happen, at most ``timeout`` seconds, and do what follows from it."""
        if not self._listening and self._now >= self._resume_at:
            self._listen(True)
        elif not self._listening:  # for a moment only
            timeout = min(timeout, self._share.pause)
        events = self._epoll.poll(timeout)
        self._now = time.monotonic()
        for fd, mask in events:
            connection = self._connections.get(fd)
            if connection is not None:
                self._on_event(connection, mask)
            elif fd in self._sources:
                self._accept(self._sources[fd])
            elif fd == self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(fd, 4096)
        self._deliver()
        self._predict()
        if self._now - self._swept > SWEEP_SECONDS:
            self._sweep()
            self._give_up()
        if self._access_log:
            self._access_log.write()

    def drain(self) -> bool:
        """Begin to stop, or go on with it: True once all that was accepted is answered, and no more is accepted."""
        now = time.monotonic()
        self._draining_since = self._draining_since or now
        lasts = now - self._draining_since
        for connection in list(self._connections.values()):
            # A client that was told that the connection stays may be sending its next request at this moment.
            if connection.is_idle and not connection.is_active(now):
                self._on_event(connection, select.EPOLLIN)  # or it has come already
                if connection.is_idle and not connection.closed:
                    self._drop(connection)
        nobody_comes = not self._connections and now - self._accepted > QUIET_SECONDS
        if nobody_comes or lasts > ACTIVE_SECONDS:
            self._stop_listening()
        self._predict()
        return not self._connections and not self._listeners

    def hand_over(self) -> bool:
        """Begin to leave the clients to the other workers, or go on with it: True once they have them all.

        A connection goes over between two requests, so its client notices nothing.
        """
        if self._listeners:
            self._share.leave()
            self._stop_listening(take_last=False)
        for connection in [connection for connection in self._connections.values() if connection.is_idle]:
            try:
                socket.send_fds(self._giving, [b"c"], [connection.sock.fileno()])
            except BlockingIOError:  # the others are busy
                break
            self._forget(connection)
            connection.close()
        return not self._connections

    # -- connections --------------------------------------------------------------------------------------------

    def _listen(self, on: bool) -> None:
        """Ask, or do not ask for a while, to be told of new connections."""
        self._listening = on
        for fd in self._sources:
            if on:
                self._epoll.register(fd, select.EPOLLIN)
            else:
                self._epoll.unregister(fd)
        if not on:
            self._resume_at = self._now + self._share.pause

    def _stop_listening(self, *, take_last: bool = True) -> None:
        """Take the last that have connected, and no more."""
        if self._listening:
            self._listen(False)
        for source in self._sources.values():
            while take_last and self._accept_one(source):
                pass
        for listener in self._listeners:
            listener.close()
        self._listeners, self._sources = [], {}

    def _accept(self, source: Callable[[], socket.socket]) -> None:
        if not self._listening:
            return
        if len(self._connections) < MOST_CONNECTIONS and self._share.may_accept(self._now):
            self._accept_one(source)
        else:
            self._listen(False)

    def _accept_one(self, source: Callable[[], socket.socket]) -> bool:
        """Accept a connection; False where there is none."""
        try:
            sock = source()
        except OSError:  # another worker was faster, or the client has gone
            return False
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self._limits, self._on_request, self._failure_bytes)
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock, select.EPOLLIN)
        self._accepted = self._now
        self._share.accepted()
        self._on_event(connection, select.EPOLLIN)  # most clients have sent their request by now
        return True

    def _on_event(self, connection: Connection, mask: int) -> None:
        try:
            if mask & select.EPOLLOUT:
                connection.flush()
            if mask & select.EPOLLIN:
                if connection.busy:
                    connection.paused = True
                else:
                    connection.receive()
            elif mask & (select.EPOLLHUP | select.EPOLLERR):
                raise ConnectionResetError("gone")
            self._watch(connection)
        except OSError:
            self._drop(connection)

    def _watch(self, connection: Connection) -> None:
        """Be told of what this connection waits for, and of nothing else."""
        wanted = select.EPOLLOUT if connection.sending else 0 if connection.paused else select.EPOLLIN
        if wanted != connection.watched:
            connection.watched = wanted
            self._epoll.modify(connection.sock, wanted)

    def _drop(self, connection: Connection) -> None:
        if connection.closed:
            return
        if connection.lingers and self._linger(connection):
            return
        self._forget(connection)
        self._share.closed(connection.is_active(self._now))
        connection.close()

    def _forget(self, connection: Connection) -> None:
        del self._connections[connection.sock.fileno()]
        self._epoll.unregister(connection.sock)

    def _linger(self, connection: Connection) -> bool:
        """Read on for a while: a client that is still sending would lose the answer to a reset."""
        try:
            connection.linger()
            self._watch(connection)
        except OSError:
            return False
        return True

    def _sweep(self) -> None:
        """End what takes too long to arrive, or stayed silent for too long."""
        self._swept = self._now
        active = 0
        for connection in list(self._connections.values()):
            if connection.deadline < self._now and not connection.busy:
                try:
                    connection.late()
                except OSError:
                    self._drop(connection)
            active += not connection.closed and connection.is_active(self._now)
        self._share.count(active)

    # -- requests -----------------------------------------------------------------------------------------------

    def _on_request(self, request: Request) -> None:
        post = self._posts.get(request.path) if request.method == "POST" else None
        if post is None:
            self._other_request(request)
        else:
            self._enqueue(request, *post)

    def _other_request(self, request: Request) -> None:
        """What is not posted to a route's own path: a prediction in another dialect, or a page."""
        try:
            found = self._application.others.find(request) if request.method == "POST" else None
        except TrainyardError as error:
            self._answer_error(request, error)
            return
        if found is None:
            self._page(request)
        else:
            endpoint, dialect = found
            self._enqueue(request, self._queues[endpoint], dialect)

    def _enqueue(self, request: Request, queue: RouteQueue, dialect: Dialect) -> None:
        request.dialect, request.meter, request.version_line = dialect, queue.meter, queue.version_line
        try:
            if self._outages[queue.out_cell]:
                queue.check_in_service(self._outages[queue.out_cell])
            queue.add(request)
        except TrainyardError as error:
            self._answer_error(request, error)
        else:
            self._touched[queue] = None

    def _predict(self) -> None:
        """Predict what waits, until there is nothing left to do without waiting for a thread."""
        while self._touched:
            queue = next(iter(self._touched))
            self._refuse_late(queue)
            if queue.waiting and queue.inline:
                self._finish(queue, queue.predict(queue.take()))
            elif queue.waiting and queue.has_room:
                batch = queue.take()
                queue.running.append(batch)
                self._pool.submit(self._in_thread, queue, batch)
            else:
                del self._touched[queue]

    def _refuse_late(self, queue: RouteQueue) -> None:
        """Nobody waits for an answer that comes later than TIMEOUT."""
        while self._timeout and queue.waiting and self._now - queue.waiting[0].arrived > self._timeout:
            request = queue.waiting.popleft()
            self._answer_error(request, Late(f"its turn did not come within TIMEOUT={self._timeout} s"))

    def _in_thread(self, queue: RouteQueue, batch: Batch) -> None:
        self._done.append((queue, queue.predict(batch)))
        with contextlib.suppress(BlockingIOError):  # full of other reasons to wake up
            os.write(self._wake_write, b"1")

    def _deliver(self) -> None:
        while self._done:
            queue, batch = self._done.popleft()
            queue.running.remove(batch)
            self._touched[queue] = None
            self._finish(queue, batch)

    def _give_up(self) -> None:
        """Answer what a call has been predicting for too long. Its thread cannot be stopped: this worker must end."""
        for queue in self._queues.values():
            late = [batch for batch in queue.running if self._timeout and self._now - batch.began > self._timeout]
            if late:
                self.stuck = True
                waiting, queue.waiting = list(queue.waiting), deque()
                for request in [*(request for batch in late for request in batch.requests), *waiting]:
                    self._answer_error(request, Late(f"the prediction took longer than TIMEOUT={self._timeout} s"))

    def _finish(self, queue: RouteQueue, batch: Batch) -> None:
        queue.end(batch)
        for request, answer in batch.answered:
            if isinstance(answer, Exception):
                self._answer_error(request, answer)
            else:
                self._answer(request, 200, *answer)

    def _page(self, request: Request) -> None:
        """All that is not a prediction."""
        try:
            status, body, content_type, more = call_wsgi(self._application, request, {REQUEST_ID: request.id})
        except Exception as error:  # noqa: BLE001 -- Flask has an error handler, so this is our own mistake
            self._answer_error(request, error)
        else:
            self._answer(request, status, body, content_type, more)

    def _answer_error(self, request: Request, error: Exception) -> None:
        path = request.path.decode("latin-1")
        errors = self._application.errors
        status, text = errors.describe(error, Failed(request.method, path, request.id))
        body = request.dialect.error(status, text) if request.dialect else errors.body(path, text)
        (request.meter or self._pages).failed(type(error).__name__)
        more = f"Retry-After: {error.retry_after}\r\n" if isinstance(error, Overloaded) else ""
        self._answer(request, status, body, more=more)

    def _failure_bytes(self, request: Request, status: int, text: str) -> bytes:
        """The answer to what never became a request."""
        self._pages.answered(status, 0.0)
        return answer_bytes(request, status, self._application.errors.body(request.path.decode("latin-1"), text))

    def _answer(
        self, request: Request, status: int, body: bytes, content_type: str = JSON_TYPE, more: str = ""
    ) -> None:
        if request.answered:  # given up before
            return
        request.answered = True
        connection = request.connection
        seconds = time.monotonic() - request.arrived
        (request.meter or self._pages).answered(status, seconds)
        if self._access_log:
            self._access_log.add(request, status, len(body), seconds)
        if connection.closed:
            return
        if self._draining_since:
            request.keep_alive = False
        try:
            connection.answer(request, status, body, content_type, request.version_line + more)
            self._watch(connection)
        except OSError:
            self._drop(connection)


class Late(TrainyardError):
    """An answer that did not come within TIMEOUT; HTTP 504."""

    http_status = 504


def _accept_from(listener: socket.socket) -> socket.socket:
    return listener.accept()[0]


def _receive_from(given: socket.socket) -> socket.socket:
    """A connection that another worker has passed on.

    Raises:
        OSError: there is none.
    """
    _, fds, _, _ = socket.recv_fds(given, 1, 1)
    if not fds:
        raise ConnectionResetError("none came")
    return socket.socket(fileno=fds[0])
