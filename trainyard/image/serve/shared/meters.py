"""Counts what happens to the requests of one route, in the worker's row of the board: an addition each, no lock."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence

from trainyard.image.serve.shared.board import Board, Row

# Upper bounds of the buckets, in seconds and in requests; one bucket more is for all above.
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH = (1, 2, 4, 8, 16, 32, 64)
STATUSES = (200, 400, 401, 404, 405, 408, 413, 414, 415, 422, 431, 500, 503, 504)
PAGES = ""  # the route under which everything is counted that is no prediction
MICRO = 1_000_000
LABEL_BYTES = 80
KINDS = 32  # of errors that are counted apart
OTHER = "other"

# Names on the board: the metric, then its labels' names and values, separated by tabs.
REQUESTS = "requests_total"
REQUEST_SECONDS = "request_seconds"
BATCH_REQUESTS = "batch_requests"
ROWS = "rows_total"
ERRORS = "errors_total"
DRIFT = "drift_total"
IN_FLIGHT = "in_flight"


def counter_name(metric: str, **labels: str) -> str:
    """How a counter is called on the board."""
    parts = [metric]
    for label, value in labels.items():
        parts += [label, _short(value.replace("\t", " ").replace("\0", " "))]
    return "\t".join(parts)


def _short(text: str) -> str:
    """Text that is too long for a name on the board is cut, and stays unlike others that begin like it."""
    content = text.encode("utf-8", "backslashreplace")
    if len(content) <= LABEL_BYTES:
        return content.decode()
    return f"{content[: LABEL_BYTES - 9].decode('utf-8', 'ignore')}~{hashlib.sha256(content).hexdigest()[:8]}"


class Histogram:
    """Counts of values by bucket, and their sum in millionths."""

    def __init__(self, board: Board, row: Row, metric: str, route: str, bounds: Sequence[float]) -> None:
        self._cells = row.cells
        self._bounds = bounds
        edges = [*map(str, bounds), "+Inf"]
        self._buckets = [board.counter(counter_name(f"{metric}_bucket", route=route, le=edge)) for edge in edges]
        self._sum = board.counter(counter_name(f"{metric}_sum", route=route))

    def add(self, value: float) -> None:
        """Count one value."""
        self._cells[self._buckets[bisect_left(self._bounds, value)]] += 1
        self._cells[self._sum] += int(value * MICRO)


class RouteMeter:
    """Of one route, in one worker."""

    def __init__(self, board: Board, row: Row, route: str) -> None:
        self._board = board
        self._cells = row.cells
        self._route = route
        self._statuses = {status: self._counter(REQUESTS, code=str(status)) for status in STATUSES}
        self._kinds: dict[str, int] = {}
        self._rows = self._counter(ROWS)
        self._in_flight = board.counter(counter_name(IN_FLIGHT, route=route))
        self.seconds = Histogram(board, row, REQUEST_SECONDS, route, SECONDS)
        self.batches = Histogram(board, row, BATCH_REQUESTS, route, BATCH)

    def answered(self, status: int, seconds: float) -> None:
        """A request was answered, so long after it had arrived."""
        cell = self._statuses.get(status)
        if cell is None:
            cell = self._statuses[status] = self._counter(REQUESTS, code=str(status))
        self._cells[cell] += 1
        self.seconds.add(seconds)

    def began(self, requests: int) -> None:
        """A call of the function begins, for so many requests."""
        self._cells[self._in_flight] += 1
        self.batches.add(requests)

    def ended(self, rows: int) -> None:
        """It has ended, having been given so many rows."""
        self._cells[self._in_flight] -= 1
        self._cells[self._rows] += rows

    def failed(self, kind: str) -> None:
        """A request was answered by an error of this kind."""
        if kind not in self._kinds:
            self._kinds[kind] = self._counter(ERRORS, kind=kind if len(self._kinds) < KINDS else OTHER)
        self._cells[self._kinds[kind]] += 1

    def drifted(self, column: str, values: int) -> None:
        """Values of a column were unlike those that training saw."""
        self._cells[self._counter(DRIFT, column=column)] += values

    def _counter(self, metric: str, **labels: str) -> int:
        return self._board.counter(counter_name(metric, route=self._route, **labels))
