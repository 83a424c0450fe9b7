"""Takes a route out of service that ends its process again and again, so that the other routes serve on."""

from __future__ import annotations

import logging
import time
from collections import defaultdict

from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.board import Row
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.meters import IN_FLIGHT, counter_name
from trainyard.image.serve.shared.outages import Outage

LOG = logging.getLogger("trainyard.serve")
CRASHES = 3  # within
CRASH_SECONDS = 60.0
OUT_SECONDS = 60  # the first time; twice as long each further time
LONGEST_OUT_SECONDS = 3600


class OutOfService:
    """Counts, in the arbiter, what workers died of; every process sees which routes are out, and until when."""

    def __init__(self, common: DaemonContext) -> None:
        self._common = common
        paths = [route.path for route in common.routes]
        self._outages = [Outage(common.board, common.own, path) for path in paths]
        self._in_flight = [common.board.counter(counter_name(IN_FLIGHT, route=path)) for path in paths]
        self._crashes: dict[int, list[float]] = defaultdict(list)
        self._times: dict[int, int] = defaultdict(int)
        self._oom_kills = kernel.oom_kills()

    def reason(self, number: int) -> str:
        """Why route ``number`` is out of service; empty where it is in service."""
        return self._outages[number].reason

    def blame(self, row: Row, *, killed: bool) -> None:
        """A worker has died unasked: the routes that it was predicting for, or loading, may be why.

        Not so where it was ``killed`` by a SIGKILL that was not the kernel's for want of memory: somebody's, then.
        """
        known, self._oom_kills = self._oom_kills, kernel.oom_kills()
        if killed and known == self._oom_kills is not None:
            return
        guilty = {number for number, cell in enumerate(self._in_flight) if row.cells[cell] > 0}
        if row.loading:
            guilty.add(row.loading - 1)
        for number in guilty:
            self._note_crash(number)

    def forget(self, number: int) -> None:
        """Its model is another now."""
        self._crashes.pop(number, None)
        self._times.pop(number, None)
        self._outages[number].end()

    def _note_crash(self, number: int) -> None:
        now = time.monotonic()
        recent = [at for at in self._crashes[number] if now - at < CRASH_SECONDS] + [now]
        self._crashes[number] = recent
        path = self._common.routes[number].path
        LOG.error("route /%s: its process has died (%d of %d times)", path, len(recent), CRASHES)
        if len(recent) >= CRASHES:
            seconds = min(OUT_SECONDS * 2 ** self._times[number], LONGEST_OUT_SECONDS)
            self._times[number] += 1
            self._crashes.pop(number)
            self._outages[number].begin(seconds)
            LOG.error("route /%s is out of service for %d s", path, seconds)
