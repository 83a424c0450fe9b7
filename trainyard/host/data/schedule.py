"""Which worker of a fetch fetches what next."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from trainyard.host.data.parts import PART, Parts
from trainyard.host.data.store import Item

_SLOW = 0.5  # seconds that a part takes: the network is what is waited for
_LOOK = 0.05  # seconds between two looks at whether another connection helps


class Unit(NamedTuple):
    """What a worker fetches at a time: a file, or of a large one the part at ``offset``; None: all parts are there."""

    item: Item
    parts: Parts | None = None
    offset: int | None = 0


class Schedule:
    """A worker has a large file of its own and fetches its parts in their order, so that they are hashed as they come.
    One that has no file left helps another: with the last part, which has to be read again for the hash. So it does
    that only where a core is idle, or the network is slow."""

    def __init__(self, items: Iterable[Item], open_parts: Callable[[Item], Parts], stop: threading.Event) -> None:
        self._items, self._open_parts, self._stop = iter(items), open_parts, stop
        self._large: list[tuple[Item, Parts]] = []
        self._out: dict[int, float] = {}  # when each worker got its unit
        self._lock = threading.Lock()
        self._cores = os.cpu_count() or 1

    def next(self, before: Unit | None) -> Unit | None:
        """What this thread fetches after ``before``; None: there is nothing left for it."""
        worker = threading.get_ident()
        with self._lock:
            self._out.pop(worker, None)
        while not self._stop.is_set():
            with self._lock:
                unit = self._next(before)
                if unit:
                    self._out[worker] = time.monotonic()
                if unit or not any(parts.to_take for _, parts in self._large):
                    return unit
            self._stop.wait(_LOOK)
        return None

    def _next(self, before: Unit | None) -> Unit | None:
        if before and before.parts and (offset := before.parts.take()) is not None:
            return before._replace(offset=offset)
        for item in self._items:
            if item.size <= PART:
                return Unit(item)
            parts = self._open_parts(item)
            self._large.append((item, parts))
            return Unit(item, parts, parts.take())
        if self._another_helps():
            for item, parts in self._large:
                if (offset := parts.take(-1)) is not None:
                    return Unit(item, parts, offset)
        return None

    def _another_helps(self) -> bool:
        now = time.monotonic()
        return len(self._out) < self._cores or any(now - started > _SLOW for started in self._out.values())
