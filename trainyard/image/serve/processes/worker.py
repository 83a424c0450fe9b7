"""gunicorn's worker around our event loop: signals, heartbeat, the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from gunicorn.workers.base import Worker

from trainyard.image.serve.groups.loop import GroupLoop
from trainyard.image.serve.http.loop import EventLoop
from trainyard.image.serve.processes.ending_processes import end_children
from trainyard.image.serve.processes.generation import Generation
from trainyard.image.serve.processes.load_limit import LOAD_GRACE
from trainyard.image.serve.shared import forks
from trainyard.image.serve.shared.board import Row
from trainyard.image.serve.shared.reports import Ready, Refused
from trainyard.image.serve.shared.signals import MEANINGLESS, ignore

HEARTBEAT = 1.0  # seconds
DRAIN_STEP = 0.02  # seconds between two looks at what is still in flight
NEEDED = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGABRT, signal.SIGPIPE, signal.SIGHUP)


class EventWorker(Worker):  # type: ignore[misc] # gunicorn has no types
    """Serves until SIGTERM, then finishes what was accepted."""

    generation: Generation  # both are set by the parent, before the fork
    row: Row
    _loop: EventLoop | None = None
    killed = False  # noted by the parent: it ended by a SIGKILL that was not the parent's

    def init_signals(self) -> None:
        """gunicorn's; SIGHUP is for the supervisor. What predict functions fork has none of these handlers."""
        super().init_signals()
        ignore(signal.SIGHUP, *MEANINGLESS)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # Python's own: a client that has gone ends nobody
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._handlers = {number: signal.getsignal(number) for number in NEEDED}
        forks.set_apart(*self.generation.common.sockets, *self.sockets, *([self._loop] if self._loop else []))

    def load_wsgi(self) -> None:
        """Load the models, unless the parent has; then ask whether they may serve."""
        self.generation.enter(self.row)
        if "numpy.random" in sys.modules:  # a fork draws the same numbers as its siblings otherwise
            sys.modules["numpy.random"].seed()
        random.seed()
        with self._beating():
            super().load_wsgi()
        if self.generation.application is None:
            self.generation.common.note_loaded()
        common, routes = self.generation.common, self.generation.routes(self.wsgi)
        if reasons := self.generation.worse_than_before(routes):
            common.tell(Refused(self.generation.number, reasons))
            while self.alive:  # until the supervisor ends this generation
                self.notify()
                time.sleep(DRAIN_STEP)
            os._exit(0)
        common.tell(Ready(self.generation.number, routes))
        self.log.info("Ready to answer (pid: %s)", self.pid)

    def run(self) -> None:
        """The event loop; ends when gunicorn says so, or when gunicorn is gone."""
        common = self.generation.common
        common.listener.close()  # gunicorn has made its own of it; a copy left open would let clients wait for nobody
        listeners = [wrapped.sock for wrapped in self.sockets]
        for listener in listeners:
            listener.setblocking(False)
        self._wait_for_neighbours()
        event_loop = GroupLoop if common.neighbours else EventLoop
        loop = event_loop(self.wsgi, listeners, self.PIPE, common, self.row)
        self._loop = loop
        self.generation.upkeep.set_right()
        self.init_signals()  # model code may have taken them while it was imported
        beat = 0.0
        while self.alive and not loop.stuck:
            loop.turn(HEARTBEAT)
            now = time.monotonic()
            if now - beat > HEARTBEAT:
                beat = now
                self.notify()
                self._keep_signals()
                self.generation.upkeep.set_right()
                if os.getppid() != self.ppid:
                    self.log.info("Parent changed, shutting down: %s", self)
                    break
        self._finish(loop)

    def _wait_for_neighbours(self) -> None:
        """Nobody is answered before all groups of models can be; one that takes longer than LOAD_TIMEOUT is not waited
        for."""
        common = self.generation.common
        deadline = time.monotonic() + common.settings.load_timeout
        while self.alive and common.neighbours and not common.neighbours.settled and time.monotonic() < deadline:
            self.notify()
            time.sleep(DRAIN_STEP)

    def _finish(self, loop: EventLoop) -> None:
        """Answer what was accepted. Where others go on serving, they get the connections."""
        common = self.generation.common
        end = loop.drain if common.is_draining else loop.hand_over
        deadline = time.monotonic() + common.seconds_to_finish
        while not end() and time.monotonic() < deadline:
            loop.turn(DRAIN_STEP)
            self.notify()
        end_children()
        os._exit(0)  # threads that still predict would keep the process

    def _keep_signals(self) -> None:
        """A predict function may have set handlers of its own, by which this worker could not be stopped."""
        if any(signal.getsignal(number) != handler for number, handler in self._handlers.items()):
            self.log.warning("a predict function has taken the worker's signals: they are given back")
            self.init_signals()

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Keep gunicorn from replacing a worker that loads: LOAD_TIMEOUT is the limit of each route, not TIMEOUT."""
        done = threading.Event()
        seconds = self.generation.common.settings.load_timeout + LOAD_GRACE

        def beat() -> None:
            loaded, since = -1, 0.0
            while not done.wait(HEARTBEAT):
                if loaded != self.generation.loaded:
                    loaded, since = self.generation.loaded, time.monotonic()
                if time.monotonic() - since > seconds:
                    return
                self.notify()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def handle_quit(self, _signal: int, _frame: Any) -> None:
        """Ctrl-C: stop now. sys.exit, which gunicorn calls, may land in the middle of the user's imports."""
        end_children()
        os._exit(0)
