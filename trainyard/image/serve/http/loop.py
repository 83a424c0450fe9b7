"""The event loop of a worker: connections in, predictions between, answers out. One thread does it all, but for calls
that take long (``http.batching``), so a request costs no hand-over and a slow client costs nothing.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence

from trainyard.image.serve.application import Application
from trainyard.image.serve.http.arriving import Handler
from trainyard.image.serve.http.connection import Connection
from trainyard.image.serve.http.connection_limit import make_way, most_connections
from trainyard.image.serve.http.connection_sources import accepted_from, received_from
from trainyard.image.serve.http.guarded_dispatch import dispatcher
from trainyard.image.serve.http.limits import Buffers, Limits, buffer_bytes
from trainyard.image.serve.http.root_path import RootPath
from trainyard.image.serve.http.router import Router
from trainyard.image.serve.request import Request
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.board import Row
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.fairness import ACTIVE_SECONDS, PAUSE, Share
from trainyard.settings.image import root_path_of

MOST_ACCEPTED = 8  # in one turn
ROOM = 100  # one in so many makes way at once
FULL_PAUSE = 0.05  # seconds between two looks whether there is room for one more
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
SWEEP_SECONDS = 0.25  # between two looks at what is late
QUIET_SECONDS = 0.1  # without a new connection, before a worker that stops leaves


class EventLoop:
    """Serves an application on listening sockets."""

    quiet_seconds = QUIET_SECONDS

    def __init__(
        self, application: Application, listeners: Sequence[socket.socket], wake: tuple[int, int],
        common: DaemonContext, row: Row, router: Router | None = None,
    ) -> None:  # fmt: skip
        """
        Args:
            application: what is served.
            listeners: where new connections come from.
            wake: both ends of a pipe, whose reading end ends the waiting of ``turn``.
            common: settings, board, and where connections come from and go to that another worker has begun.
            row: of this worker, on the board.
            router: where other daemons answer for the same port.
        """
        self._listeners = list(listeners)
        self._given, self._giving = common.handover
        self._sources: dict[int, Callable[[], socket.socket]] = {
            listener.fileno(): functools.partial(accepted_from, listener) for listener in listeners
        }
        self._sources[self._given.fileno()] = functools.partial(received_from, self._given)
        self._wake, wake_end = wake
        self._limits = Limits.of(common.settings)
        self._buffers: Buffers[Connection] = Buffers(
            buffer_bytes(common.settings, common.limits.memory, common.settings.workers)
        )
        self._share = Share(common.board, row)
        self._dispatcher = dispatcher(application, common, row, self._answer, wake_end, router)
        root = root_path_of(common.settings.root_path)
        self._handler: Handler = RootPath(root, self._dispatcher) if root else self._dispatcher
        self._connections: dict[int, Connection] = {}
        self._most_connections = most_connections()
        self._draining_since = 0.0
        self._listening = False
        self._now = self._swept = self._accepted = time.monotonic()
        self._resume_at = 0.0
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)

    def turn(self, timeout: float) -> None:
        """Wait for something to happen, at most ``timeout`` seconds, and do what follows from it."""
        if not self._listening and self._now >= self._resume_at:
            self._listen(True)
        elif not self._listening:  # for a moment only
            timeout = min(timeout, max(self._resume_at - self._now, PAUSE))
        events = self._epoll.poll(0 if self._buffers.later else timeout)
        self._now = time.monotonic()
        for fd, mask in events:
            connection = self._connections.get(fd)
            if connection is not None:
                self._on_event(connection, mask)
            elif fd in self._sources:
                self._accept(self._sources[fd])
            elif fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(fd, 4096)
        if self._buffers.later or self._buffers.given_up:
            self._go_on()
        self._dispatcher.work(self._now)
        if self._now - self._swept > SWEEP_SECONDS:
            self._sweep()
            self._dispatcher.give_up(self._now)

    @property
    def stuck(self) -> bool:
        """Whether a call does not end: this worker should."""
        return self._dispatcher.stuck

    def drain(self) -> bool:
        """Begin to stop, or go on with it: True once all that was accepted is answered, and no more is accepted."""
        now = time.monotonic()
        self._draining_since = self._draining_since or now
        lasts = now - self._draining_since
        for connection in list(self._connections.values()):
            # A client whose last answer keeps the connection open may be sending its next request at this moment.
            if connection.is_idle and not connection.is_active(now):
                self._on_event(connection, select.EPOLLIN)  # or it has come already
                if connection.is_idle and not connection.closed:
                    self._drop(connection)
        nobody_comes = not self._connections and now - self._accepted > self.quiet_seconds
        if nobody_comes or lasts > ACTIVE_SECONDS:
            self._stop_listening()
        self._dispatcher.work(now)
        return not self._connections and not self._listeners

    def hand_over(self) -> bool:
        """Begin to leave the clients to the other workers, or go on with it: True once they have them all.

        A connection goes over between two requests, so its client notices nothing.
        """
        if self._listeners:
            self._share.leave()
            self._stop_listening(take_last=False)
        self._give([connection for connection in self._connections.values() if connection.is_idle])
        return not self._connections

    def close(self) -> None:
        """In a process that a predict function has forked: leave everything to the worker."""
        self._epoll.close()
        for sock in (*self._listeners, *(connection.sock for connection in self._connections.values())):
            sock.close()

    def _give(self, connections: Iterable[Connection]) -> None:
        """Leave them to whoever takes them."""
        for connection in connections:
            try:
                socket.send_fds(self._giving, [b"c"], [connection.sock.fileno()])
            except OSError:  # the others are busy, or too many are on their way
                break
            self._forget(connection)
            self._share.closed(connection.is_active(self._now))
            connection.close()

    # -- connections --------------------------------------------------------------------------------------------

    def _listen(self, on: bool, pause: float = PAUSE) -> None:
        """Have epoll report new connections, or not for a while."""
        self._listening = on
        for fd in self._sources:
            if on:
                self._epoll.register(fd, select.EPOLLIN)
            else:
                self._epoll.unregister(fd)
        if not on:
            self._resume_at = self._now + pause

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
        """Those that have come, up to a few at once: in a rush each would wait for a whole turn."""
        for _ in range(MOST_ACCEPTED):
            if not self._listening:
                return
            if len(self._connections) >= self._most_connections and not self._make_room():
                self._listen(False, FULL_PAUSE)
            elif not self._share.may_accept(self._now):
                self._listen(False)
            elif not self._accept_one(source):
                return

    def _make_room(self) -> bool:
        """End connections for new ones; False where each is being answered."""
        before = len(self._connections)
        for connection in make_way(self._connections.values(), max(1, self._most_connections // ROOM), self._now):
            if not connection.lingers:
                self._on_event(connection, select.EPOLLIN)  # or has its request come by now?
            if not (connection.busy or connection.closed):
                self._end(connection)
        return len(self._connections) < before

    def _end(self, connection: Connection) -> None:
        """Let one go that something may still come of, and say so where that has begun."""
        if connection.reading and not connection.lingers:
            connection.give_up()
            with contextlib.suppress(OSError):
                connection.answer_failure()
        connection.lingers = False
        self._drop(connection)

    def _accept_one(self, source: Callable[[], socket.socket]) -> bool:
        """Accept a connection; False where there is none."""
        try:
            sock = source()
        except OSError as error:  # another worker was faster, or the client has gone
            if error.errno in _NO_ROOM and self._listening and not self._make_room():
                self._listen(False, FULL_PAUSE)
            return False
        if sock.fileno() <= 2:  # a predict function has closed that, and another prints to it
            sock = kernel.above_standard_files(sock)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._connect(sock)
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock, select.EPOLLIN)
        self._accepted = self._now
        self._share.accepted()
        self._begin(connection)
        return True

    def _connect(self, sock: socket.socket) -> Connection:
        return Connection(sock, self._limits, self._handler, self._buffers)

    def _begin(self, connection: Connection) -> None:
        self._on_event(connection, select.EPOLLIN)  # most clients have sent their request by now

    def _on_event(self, connection: Connection, mask: int) -> None:
        try:
            if mask & select.EPOLLOUT:
                connection.flush()
            if mask & select.EPOLLIN:
                if connection.busy or connection.waiting:
                    connection.paused = True
                else:
                    connection.receive()
            elif mask & (select.EPOLLHUP | select.EPOLLERR):
                raise ConnectionResetError("gone")
            self._watch(connection)
        except OSError:
            self._drop(connection)

    def _watch(self, connection: Connection) -> None:
        """Have epoll report what this connection waits for, and nothing else."""
        wanted = select.EPOLLOUT if connection.sending else 0 if connection.paused else select.EPOLLIN
        if wanted != connection.watched and not connection.closed:
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

    def _go_on(self) -> None:
        """Answer those that give up, and let those go on that have had their share of a turn.

        One that gives up while its request is being answered says so behind that answer.
        """
        buffers = self._buffers
        later, buffers.later = buffers.later, {}
        given_up, buffers.given_up = buffers.given_up, []
        steps = [(connection, connection.answer_failure) for connection in given_up]
        steps += [(connection, connection.go_on) for connection in later]
        for connection, step in steps:
            if not (connection.busy or connection.closed or connection.lingers):
                try:
                    step()
                    self._watch(connection)
                except OSError:
                    self._drop(connection)

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
        if surplus := self._share.surplus(self._now):
            movable = (one for one in list(self._connections.values()) if one.is_idle and one.is_active(self._now))
            self._give(itertools.islice(movable, surplus))

    def _answer(self, request: Request, status: int, body: bytes, content_type: str, more: str) -> None:
        connection = request.connection
        if connection.closed:
            return
        if self._draining_since:
            request.keep_alive = False
        try:
            connection.answer(request, status, body, content_type, more)
            self._watch(connection)
        except OSError:
            self._drop(connection)
