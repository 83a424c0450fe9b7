"""What every process of one daemon has from its birth, and how it reports to the supervisor."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from trainyard.contract.routes import Route
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.board import Board, Row
from trainyard.image.serve.shared.other_groups import Neighbours
from trainyard.image.serve.shared.reports import LONGEST_REPORT, Report, decoded, encoded
from trainyard.image.serve.shared.worker_limits import LOADED, WorkerLimits
from trainyard.settings.image import ImageSettings

DRAINING = "draining"


@dataclass(frozen=True)
class DaemonContext:
    """Made by the supervisor before it forks.

    ``report`` are both ends of the channel of reports to it, ``handover`` those of the one that passes connections on;
    ``own`` is the supervisor's row of the board, in which what holds for all processes is written; ``neighbours`` are
    other groups of models behind the same port, where there are any.
    """

    routes: tuple[Route, ...]
    settings: ImageSettings
    listener: socket.socket
    board: Board
    own: Row
    report: tuple[socket.socket, socket.socket]
    handover: tuple[socket.socket, socket.socket]
    limits: WorkerLimits
    neighbours: Neighbours | None = None

    @classmethod
    def create(
        cls,
        routes: tuple[Route, ...],
        settings: ImageSettings,
        listener: socket.socket,
        limits: WorkerLimits | None = None,
        neighbours: Neighbours | None = None,
    ) -> DaemonContext:
        """Everything but processes. ``limits``: default: ``settings.workers``, come what may."""
        # Two generations at a time, each with workers that are being replaced.
        board = Board(rows=8 * settings.workers + 16, counters=2048 + 256 * len(routes), routes=len(routes))
        report = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        if neighbours:
            handover = (neighbours.given, neighbours.giving[neighbours.number])
        else:
            handover = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (report[0], *handover):
            end.setblocking(False)
        return cls(
            routes,
            settings,
            listener,
            board,
            board.claim(),
            report,
            handover,
            limits or WorkerLimits(settings.workers, 1),
            neighbours,
        )

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """What no other process than the daemon's may hold open."""
        return (self.listener, *self.report, *self.handover, *(self.neighbours.giving if self.neighbours else ()))

    @property
    def every_route(self) -> tuple[Route, ...]:
        """What the whole server answers."""
        return self.neighbours.routes if self.neighbours else self.routes

    def note_ready(self) -> None:
        """The first generation serves."""
        if self.neighbours:
            self.neighbours.note_ready()

    @property
    def is_draining(self) -> bool:
        """Whether all of it is to end, and not one generation only."""
        return bool(self.own.cells[self.board.counter(DRAINING)])

    @property
    def loaded_bytes(self) -> int:
        """What a process takes that has loaded all models; 0 as long as none has."""
        return self.own.cells[self.board.counter(LOADED)]

    def note_loaded(self) -> None:
        """Called in a process that has."""
        cell = self.board.counter(LOADED)
        self.own.cells[cell] = max(self.own.cells[cell], kernel.occupied_bytes())

    @property
    def seconds_to_finish(self) -> int:
        """What a worker has left once it has to stop: where others go on serving there is no hurry."""
        settings = self.settings
        return settings.stop_timeout if self.is_draining else max(settings.stop_timeout, settings.timeout)

    def tell(self, report: Report) -> None:
        """Report to the supervisor."""
        self.report[1].send(encoded(report))

    def next_report(self) -> Report | None:
        """The next report; None where there is none."""
        try:
            return decoded(self.report[0].recv(LONGEST_REPORT))
        except BlockingIOError:
            return None
