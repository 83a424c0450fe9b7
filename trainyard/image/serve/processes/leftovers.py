"""Processes that predict functions have started and whose worker has ended: they end, too.

The supervisor adopts every descendant that loses its parent. What has lost it because a worker ended is of no use to
anybody. What left its parent by itself, as a server does that goes into the background, stays as long as the daemon.
"""

from __future__ import annotations

import signal

from trainyard.image.serve.processes.ending_processes import LEFTOVER_SECONDS, kill, pids
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.daemon_context import DaemonContext

TOGETHER_SECONDS = 1.5  # between the end of a worker being seen and that of its parenthood: each is looked for in turn


class Leftovers:
    """The children of the supervisor that it has not forked."""

    def __init__(self, common: DaemonContext) -> None:
        self._common = common
        self._since: dict[int, float] = {}  # when each was first seen
        self._deadlines: dict[int, float] = {}  # of those that were asked to end
        self._servers: set[int] = set()

    def look(self, now: float, own: set[int]) -> None:
        """End what workers have left behind that have ended since the last look; ``own``: children that were forked."""
        servers = own | set(pids(self._common))
        adopted = set(kernel.children()) - servers
        self._since = {pid: self._since.get(pid, now) for pid in adopted}
        gone = (self._servers | self._deadlines.keys()) - servers - adopted
        self._deadlines = {pid: deadline for pid, deadline in self._deadlines.items() if pid in adopted}
        if gone:
            for pid, since in self._since.items():
                if now - since < TOGETHER_SECONDS and pid not in self._deadlines:
                    self._deadlines[pid] = now + LEFTOVER_SECONDS
                    kill(pid, signal.SIGTERM)
        self._servers = servers
        for pid, deadline in self._deadlines.items():
            if now > deadline:
                kill(pid, signal.SIGKILL)
