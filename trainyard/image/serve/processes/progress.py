"""How far a generation has got with loading its routes, as the supervisor sees it on the board."""

from __future__ import annotations

import time
from dataclasses import dataclass

from trainyard.image.serve.processes.load_limit import LOAD_GRACE
from trainyard.image.serve.shared.daemon_context import DaemonContext


@dataclass
class Running:
    """A generation's process."""

    pid: int
    number: int
    deadline: float  # until when it must be ready, or have loaded another route
    ready: bool = False
    loaded: int = 0  # routes

    def note_progress(self, common: DaemonContext) -> None:
        """The time counts from the last route that was loaded, in the generation's own process or in its workers."""
        loaded = sum(row.loaded for row in common.board.rows() if row.generation == self.number)
        if loaded != self.loaded:
            self.loaded, self.deadline = loaded, load_deadline(common)


def load_deadline(common: DaemonContext) -> float:
    """Until when the next route must be loaded, after which the process is ended."""
    return time.monotonic() + common.settings.load_timeout + LOAD_GRACE


def route_loading(common: DaemonContext, pid: int) -> str:
    """The route that a process is loading; empty where it is not."""
    for row in common.board.rows():
        if pid and row.pid == pid and row.loading:
            return common.routes[row.loading - 1].path
    return ""
