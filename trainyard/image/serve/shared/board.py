"""What the processes of one daemon know of each other: numbers in shared memory, one row for each process.

Every process writes its own row alone, so that nobody locks and nobody waits; totals are sums over the rows. A row
outlives its process: what a worker counted still counts when it is gone, and the next one goes on from there.

Counters are named once, at start, under a lock; from then on a counter is an index into the row (``Row.cells``).
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Iterator

from trainyard.image.serve.shared.reports import DaemonState

NAME_BYTES = 240
OVERFLOW = "overflow"
STATE_BYTES = 1 << 18  # of what the supervisor knows, and as much for each route as follows
STATE_BYTES_OF_ROUTE = 1 << 13

ACTIVE = 1  # the index of ``Row.active``, for what looks at all rows for each connection
RESERVED = 8  # cells that every row begins with, before the counters
GAUGE = "in_flight"  # how counters begin that hold only while their process lives


class Cell:
    """A number that every row has, by a name."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, row: Row, _: type[Row]) -> int:
        return int(row.cells[self._index])

    def __set__(self, row: Row, value: int) -> None:
        row.cells[self._index] = value


class Row:
    """One process's numbers; ``cells[index]`` is a 64-bit integer.

    Those with a name are of the process that holds the row, and are cleared when another takes it.
    """

    pid = Cell(0)  # 0: nobody holds the row; -1: a process that is yet to be forked
    active = Cell(ACTIVE)  # connections + 1; 0 where no more are taken
    loading = Cell(2)  # the route that is being loaded, counted from 1; 0: none
    generation = Cell(3)
    wanted = Cell(4)  # in the supervisor's row: the generation that is to be loaded
    loaded = Cell(5)  # routes, whatever came of each

    def __init__(self, number: int, cells: memoryview) -> None:
        self.number = number
        self.cells = cells


class Board:
    """Made once, before anything is forked.

    Rows are as long as the most counters there can be; memory that nobody wrote to costs nothing.
    """

    def __init__(self, rows: int, counters: int, routes: int = 0) -> None:
        """``rows``: of processes that live at one time; ``counters``: the most that can be named."""
        self._state_bytes = STATE_BYTES + STATE_BYTES_OF_ROUTE * routes
        self._rows = rows
        self._counters = counters
        self._row_cells = RESERVED + counters
        cells = 8 * rows * self._row_cells
        self._file = os.memfd_create("trainyard-board", os.MFD_CLOEXEC)
        size = cells + self._state_bytes + NAME_BYTES * counters
        os.ftruncate(self._file, size)
        memory = memoryview(mmap.mmap(self._file, size))
        self._cells = memory[:cells].cast("q")
        self._state = memory[cells : cells + self._state_bytes]
        self._names = memory[cells + self._state_bytes :]
        self._known: list[str] = []  # names that this process has read, by index
        self._index: dict[str, int] = {}
        self.counter(OVERFLOW)

    # -- rows ---------------------------------------------------------------------------------------------------

    def claim(self) -> Row:
        """A free row; called by the parent, before it forks the process that gets it.

        Raises:
            RuntimeError: there is none.
        """
        with self._locked():
            for number in range(self._rows):
                row = self._row(number)
                if row.pid == 0:
                    row.pid = -1
                    row.active = row.loading = row.generation = row.loaded = 0
                    return row
        raise RuntimeError(f"more than {self._rows} processes at one time")

    def release(self, row: Row) -> None:
        """The process of this row is gone; what it counted stays, what it was about to do does not."""
        for number, name in enumerate(self.names()):
            if name.startswith(GAUGE):
                row.cells[RESERVED + number] = 0
        row.pid = row.active = row.loading = 0

    def rows(self) -> Iterator[Row]:
        """Every row, whether a process holds it or not."""
        return (self._row(number) for number in range(self._rows))

    def _row(self, number: int) -> Row:
        start = number * self._row_cells
        return Row(number, self._cells[start : start + self._row_cells])

    # -- counters -----------------------------------------------------------------------------------------------

    def counter(self, name: str) -> int:
        """The index of the counter ``name`` in every row, now and in every process; where none is left, ``OVERFLOW``'s.

        Raises:
            ValueError: a name that is too long.
        """
        if name in self._index:
            return self._index[name]
        encoded = name.encode()
        if len(encoded) >= NAME_BYTES:
            raise ValueError(f"longer than {NAME_BYTES} bytes: {name[:40]}...")
        with self._locked():
            self.names()
            if name not in self._index:
                number = len(self._known)
                if number >= self._counters:
                    return self._index[OVERFLOW]
                self._names[number * NAME_BYTES : number * NAME_BYTES + len(encoded)] = encoded
                self._remember(name)
        return self._index[name]

    def names(self) -> list[str]:
        """The names of all counters, in the order of their indexes."""
        while len(self._known) < self._counters:
            start = len(self._known) * NAME_BYTES
            name = bytes(self._names[start : start + NAME_BYTES]).rstrip(b"\0").decode()
            if not name:
                break
            self._remember(name)
        return self._known

    def totals(self) -> dict[str, int]:
        """Every counter's sum over all processes that there are and were."""
        names = self.names()
        sums = [0] * len(names)
        for row in self.rows():
            counted = row.cells[RESERVED : RESERVED + len(names)].tolist()
            if any(counted):
                sums = [total + number for total, number in zip(sums, counted, strict=True)]
        return dict(zip(names, sums, strict=True))

    def _remember(self, name: str) -> None:
        self._index[name] = RESERVED + len(self._known)
        self._known.append(name)

    # -- state --------------------------------------------------------------------------------------------------

    def write_state(self, state: DaemonState) -> None:
        """Publish what the supervisor knows. Only the supervisor calls this.

        Raises:
            ValueError: it does not fit.
        """
        content = state.encoded()
        if len(content) > self._state_bytes - 8:
            raise ValueError("too much to say")
        with self._locked():
            self._state[:8] = len(content).to_bytes(8, "little")
            self._state[8 : 8 + len(content)] = content

    def read_state(self) -> DaemonState:
        """What the supervisor published last."""
        with self._locked():
            size = int.from_bytes(self._state[:8], "little")
            content = bytes(self._state[8 : 8 + size])
        return DaemonState.decoded(content) if content else DaemonState()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Across processes; the kernel unlocks when one dies."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
