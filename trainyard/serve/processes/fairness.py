"""Spreads connections evenly over the workers.

Workers that share a listening socket get long-lived connections by chance, and the one that got most of them is the
limit of all. So each publishes how many of its connections are active, and leaves a new one to the others while it has
more than the least of them. A worker that hangs keeps nobody waiting: after ``PATIENCE`` the others take it.
"""

from __future__ import annotations

import mmap

ACTIVE_SECONDS = 1.0  # a connection without a request for longer is idle: it costs its worker nothing
PATIENCE = 0.1  # seconds for which a worker leaves a connection to others
DISTRUST = 1.0  # seconds for which it does not, after others let it wait in vain
PAUSE = 0.001  # seconds between two looks whether another has taken it
_GONE = 0


class Shares:
    """The table that all workers of a server share: made before they are forked, one place for each."""

    def __init__(self, places: int) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 8 * places)).cast("q")

    def claim(self) -> Share:
        """A free place; called by the parent, before it forks a worker."""
        place = next(index for index, number in enumerate(self._numbers) if number == _GONE)
        self._numbers[place] = 1
        return Share(self._numbers, place)


class Share:
    """One worker's place. A number is active connections + 1; 0 is a place without a worker."""

    pause = PAUSE

    def __init__(self, numbers: memoryview, place: int) -> None:
        self._numbers = numbers
        self._place = place
        self._yielding_since = 0.0
        self._alone_until = 0.0

    def release(self) -> None:
        """Called by the parent, once the worker is gone."""
        self._numbers[self._place] = _GONE

    def may_accept(self, now: float) -> bool:
        """Whether the next connection is this worker's turn."""
        mine = self._numbers[self._place]
        if now < self._alone_until or all(number == _GONE or number >= mine for number in self._numbers):
            self._yielding_since = 0.0
            return True
        self._yielding_since = self._yielding_since or now
        if now - self._yielding_since > PATIENCE:
            self._alone_until = now + DISTRUST
        return False

    def accepted(self) -> None:
        self._numbers[self._place] += 1

    def closed(self, was_active: bool) -> None:
        if was_active and self._numbers[self._place] > 1:
            self._numbers[self._place] -= 1

    def count(self, active: int) -> None:
        """Set the number anew: some have become idle, others active again."""
        self._numbers[self._place] = active + 1
