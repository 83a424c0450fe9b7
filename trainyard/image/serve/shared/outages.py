"""Routes that are out of service: what every process of a daemon sees of them, and what is logged."""

from __future__ import annotations

import time

from trainyard.image.serve.shared.board import Board, Row
from trainyard.image.serve.shared.meters import counter_name


class Outage:
    """Of one route: until when it is out, as the supervisor's row says it in seconds since 1970; 0: it is not."""

    def __init__(self, board: Board, own: Row, route: str) -> None:
        """``own``: the supervisor's row."""
        self._cells = own.cells
        self._cell = board.counter(counter_name("out_of_service_until", route=route))
        self._route = route

    def begin(self, seconds: int) -> None:
        """Out of service for so long."""
        self._cells[self._cell] = int(time.time()) + seconds

    def end(self) -> None:
        """In service again."""
        self._cells[self._cell] = 0

    @property
    def seconds_left(self) -> float:
        """Until it is in service again; 0 where it is."""
        until = self._cells[self._cell]  # nearly always 0, and asked with every request
        return max(0.0, until - time.time()) if until else 0.0

    @property
    def reason(self) -> str:
        """Why it answers 503; empty where it is in service."""
        left = self.seconds_left
        return f"/{self._route} ended its process again and again: out of service for {left:.0f} s" if left else ""
