"""The event loop of a worker with other groups of models beside it: connections go over to them, and come from them."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Sequence

from trainyard.image.serve.application import Application
from trainyard.image.serve.groups.asking import answer_question
from trainyard.image.serve.groups.group_connection import GroupConnection, from_memory
from trainyard.image.serve.groups.group_router import GroupRouter
from trainyard.image.serve.http.connection import Connection
from trainyard.image.serve.http.loop import EventLoop
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.board import Row
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.fairness import ACTIVE_SECONDS, PAUSE

LONGEST_MESSAGE = 1 << 12
FROM_WORKER = b"c"  # of the own group: between two requests, with nothing to say


class GroupLoop(EventLoop):
    """Serves the routes of one group."""

    quiet_seconds = ACTIVE_SECONDS  # the others' clients may come until they have heard that this server ends

    def __init__(
        self, application: Application, listeners: Sequence[socket.socket], wake: tuple[int, int],
        common: DaemonContext, row: Row,
    ) -> None:  # fmt: skip
        assert common.neighbours
        self._router = GroupRouter(application, common, common.neighbours, wake[1])
        super().__init__(application, listeners, wake, common, row, self._router)
        self._application = application
        self._sources[self._given.fileno()] = self._take_given
        self._begun: dict[int, tuple[bytes, int, int]] = {}  # by descriptor: how to go on with what has just come

    def turn(self, timeout: float) -> None:
        super().turn(PAUSE if self._router.leaving else timeout)
        if self._router.leaving:
            self._router.send_off(self._now, self._let_go, self._dispatcher.answer_error)

    def _let_go(self, connection: Connection) -> None:
        self._forget(connection)
        self._share.closed(connection.is_active(self._now))
        connection.close()

    def _take_given(self) -> socket.socket:
        """A connection that another worker has passed on, of this group or of another. Questions are answered here.

        Raises:
            OSError: there is none.
        """
        while True:
            message, descriptors = kernel.receive_descriptors(self._given, LONGEST_MESSAGE, 2)
            if not descriptors:
                raise ConnectionResetError("none came")
            sock = socket.socket(fileno=descriptors[0])
            if message == FROM_WORKER:
                return sock
            found = json.loads(message)
            if "question" not in found:
                self._begun[sock.fileno()] = from_memory(descriptors[1]), found["answered"], found["asked"]
                return sock
            answer_question(found["question"], sock, self._application)

    def _connect(self, sock: socket.socket) -> Connection:
        return GroupConnection(sock, self._limits, self._handler, self._buffers)

    def _begin(self, connection: Connection) -> None:
        begun = self._begun.pop(connection.sock.fileno(), None)
        if begun is None:
            super()._begin(connection)
            return
        assert isinstance(connection, GroupConnection)
        with contextlib.suppress(OSError):
            connection.resume(*begun)
            self._watch(connection)
            return
        self._drop(connection)
