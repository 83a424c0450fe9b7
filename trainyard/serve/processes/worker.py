"""gunicorn's worker around our event loop: signals, heartbeat, the end."""

from __future__ import annotations

import os
import time
from typing import Any

from gunicorn.workers.base import Worker

from trainyard.serve.http.connection import Limits
from trainyard.serve.http.guarded_loop import event_loop
from trainyard.serve.http.loop import EventLoop
from trainyard.serve.processes.fairness import Share, Shares

HEARTBEAT = 1.0  # seconds
DRAIN_STEP = 0.02  # seconds between two looks at what is still in flight
MOST_ARRIVAL_SECONDS = 30  # a body of 16 MiB at 5 Mbit/s
MIB = 1 << 20


class EventWorker(Worker):  # type: ignore[misc] # gunicorn has no types
    """Serves until SIGTERM, then finishes what was accepted."""

    share: Share | None = None  # claimed by the parent, before the fork
    settings: Any = None  # ImageSettings, set by the parent

    def run(self) -> None:
        """The event loop; ends when gunicorn says so, or when gunicorn is gone."""
        settings = self.settings
        limits = Limits(
            body=settings.max_body_mb * MIB,
            arrival=min(settings.timeout or MOST_ARRIVAL_SECONDS, MOST_ARRIVAL_SECONDS),
            idle=self.cfg.keepalive,
        )
        share = self.share or Shares(1).claim()
        listeners = [wrapped.sock for wrapped in self.sockets]
        for listener in listeners:
            listener.setblocking(False)
        loop = event_loop(settings, self.wsgi, listeners, self.PIPE, settings.threads, limits, share)
        beat = 0.0
        while self.alive:
            loop.turn(HEARTBEAT)
            now = time.monotonic()
            if now - beat > HEARTBEAT:
                beat = now
                self.notify()
                if os.getppid() != self.ppid:
                    self.log.info("Parent changed, shutting down: %s", self)
                    return
        self._finish(loop)

    def _finish(self, loop: EventLoop) -> None:
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while not loop.drain() and time.monotonic() < deadline:
            loop.turn(DRAIN_STEP)
            self.notify()
        os._exit(0)  # threads that still predict would keep the process

    def handle_quit(self, _signal: int, _frame: Any) -> None:
        """Ctrl-C: stop now. sys.exit, which gunicorn calls, may land in the middle of the user's imports."""
        os._exit(0)
