"""gunicorn's thread worker, with the two ends that a container needs."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

DRAIN_STEP = 0.1  # seconds between two looks at what is still in flight


class DrainingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Finishes what is in flight on SIGTERM, and does not wait for clients that merely stay connected."""

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the event loop; while stopping, first what has arrived, then idle connections are closed."""
        if self.alive:
            super().wait_for_and_dispatch_events(timeout)
            return
        # gunicorn would sleep here until the whole grace period is over.
        super().wait_for_and_dispatch_events(min(timeout, DRAIN_STEP))
        for idle in (self.keepalived_conns, getattr(self, "pending_conns", None) or ()):
            while idle:
                self._drop(idle.popleft())

    def _drop(self, connection: Any) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):  # closed by the client meanwhile
            self.poller.unregister(connection.sock)
        self.nr_conns -= 1
        connection.close()

    def handle_quit(self, _signal: int, _frame: Any) -> None:
        """Ctrl-C: stop now. sys.exit, which gunicorn calls, may land in the middle of the user's imports."""
        os._exit(0)
