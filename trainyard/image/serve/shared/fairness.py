"""Spreads connections evenly over the workers.

Workers that share a listening socket get long-lived connections by chance, and the one that got most of them is the
limit of all. So each publishes how many of its connections are active, and leaves a new one to the others while it has
more than the least of them. A worker that hangs keeps nobody waiting: after ``PATIENCE`` the others take it.

Connections may last for hours, while workers come and go: so who has many more than another hands some over.
"""

from __future__ import annotations

from trainyard.image.serve.shared.board import ACTIVE, Board, Row

ACTIVE_SECONDS = 1.0  # a connection without a request for longer is idle: it costs its worker nothing
PATIENCE = 0.1  # seconds for which a worker leaves a connection to others
DISTRUST = 1.0  # seconds for which it does not, after others let it wait in vain
PAUSE = 0.001  # seconds between two looks whether another has taken it
BALANCE_SECONDS = 1.0  # between two looks whether others have fewer
EVEN = 64  # a difference of one in so many is none: else a rush of clients waits for the workers to take turns
_TAKES_NONE = 0


class Share:
    """One worker's view. The number in a row is active connections + 1; 0 where no connections are taken."""

    def __init__(self, board: Board, row: Row) -> None:
        self._mine = row.cells
        self._all = [other.cells for other in board.rows()]
        self._yielding_since = 0.0
        self._alone_until = 0.0
        self._balanced = 0.0
        self._mine[ACTIVE] = 1

    def leave(self) -> None:
        """Take no more connections."""
        self._mine[ACTIVE] = _TAKES_NONE

    def may_accept(self, now: float) -> bool:
        """Whether the next connection is this worker's turn."""
        mine = self._mine[ACTIVE]
        mine -= mine // EVEN
        if now < self._alone_until or all(not _TAKES_NONE < cells[ACTIVE] < mine for cells in self._all):
            self._yielding_since = 0.0
            return True
        self._yielding_since = self._yielding_since or now
        if now - self._yielding_since > PATIENCE:
            self._alone_until = now + DISTRUST
        return False

    def accepted(self) -> None:
        if self._mine[ACTIVE]:
            self._mine[ACTIVE] += 1

    def closed(self, was_active: bool) -> None:
        if was_active and self._mine[ACTIVE] > 1:
            self._mine[ACTIVE] -= 1

    def surplus(self, now: float) -> int:
        """How many active connections another worker should have instead, as after it has been replaced.

        Seldom asked for: a worker that hangs seems to have time for them, too.
        """
        if now < self._alone_until or now < self._balanced + BALANCE_SECONDS:
            return 0
        self._balanced = now
        others = [cells[ACTIVE] for cells in self._all if cells[ACTIVE] > _TAKES_NONE]
        return (self._mine[ACTIVE] - min(others, default=0)) // 2 if self._mine[ACTIVE] else 0

    def count(self, active: int) -> None:
        """Set the number anew: some have become idle, others active again."""
        if self._mine[ACTIVE]:
            self._mine[ACTIVE] = active + 1
