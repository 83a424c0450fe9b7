"""One generation of the server: gunicorn's arbiter with the models loaded, and the workers that it forks.

The models are loaded before the workers are forked, so that these share their memory and a worker that died is replaced
in milliseconds, whatever lies in ``models/`` by then. That is safe for a process of one thread that holds no connection
open, and done for no other (``not_to_be_forked``): models then are loaded in each worker.

A new model is loaded in a fork of the arbiter, beside the old ones. If its sample is predicted, the fork goes on as the
arbiter of the next generation; if not, it ends, and nothing has happened to the one that serves.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from gunicorn.arbiter import Arbiter

from trainyard.serve.app import Application, create_app
from trainyard.serve.prediction.endpoint import Endpoint
from trainyard.serve.processes import kernel
from trainyard.serve.processes.board import GENERATION, LOADING, PID, Row
from trainyard.serve.processes.common import Common
from trainyard.serve.processes.out_of_service import OutOfService
from trainyard.serve.processes.renewal import renew
from trainyard.serve.processes.server import Server

T = TypeVar("T")
LOG = logging.getLogger("trainyard.serve")
ALL = "*"  # where what is said of a route holds for all
QUICK_STOP_SECONDS = 1
UNSHAREABLE = 77  # exit status: load the models in each worker


class Successor(BaseException):
    """Raised in the fork that becomes the next generation; no ``except Exception`` of the arbiter's holds it up."""


class Generation:
    """Runs in a process of its own; ``number`` counts the generations of this daemon from 1."""

    def __init__(self, common: Common, number: int, *, shared: bool) -> None:
        self.common = common
        self.number = number
        self.shared = shared
        self.application: Application | None = None
        self.outages = OutOfService(common)
        self._row = self._take_row()

    def run(self) -> NoReturn:
        """Load the models, serve until told to stop."""
        kernel.end_with_parent()
        reset_signals()
        if self.shared:
            before = kernel.connections()
            self.application = self.load()
            if reason := not_to_be_forked(before):
                LOG.warning("models are loaded in each worker and not shared: %s", reason)
                leave(UNSHAREABLE)
        while True:
            gc.unfreeze()  # what the last generation has left, too
            gc.collect()
            gc.freeze()  # collecting would write to every page that workers share
            arbiter = GenerationArbiter(Server(self), self)
            try:
                arbiter.run()
            except Successor:
                self._succeed(arbiter)
            except SystemExit as error:
                leave(error.code if isinstance(error.code, int) else 1)

    def load(self) -> Application:
        """Import and warm up all routes but those that are out of service."""
        return create_app(self.common.routes, self.common.settings, load=self._load_one, common=self.common)

    def claim_row(self) -> Row:
        """The row of a worker that is about to be forked."""
        row = self.common.board.claim()
        row.cells[GENERATION] = self.number
        return row

    def routes(self, application: Application) -> dict[str, dict[str, str]]:
        """For each route its version, and why it is not ready."""
        return {
            endpoint.route.path: {"version": endpoint.version, "reason": endpoint.reason}
            for endpoint in application.endpoints
        }

    def worse_than_before(self, routes: dict[str, dict[str, str]]) -> dict[str, str]:
        """Which routes were ready and now are not, with the reasons: they keep this generation from serving.

        Only one that loads in its workers finds that out so late.
        """
        state = self.common.board.read_state()
        if self.application or not state or state["accepted"] >= self.number:
            return {}
        was_ready = {path for path, facts in state["routes"].items() if not facts["reason"]}
        return {path: facts["reason"] for path, facts in routes.items() if facts["reason"] and path in was_ready}

    def _load_one(self, number: int, endpoint: Endpoint) -> None:
        if reason := self.outages.reason(number) or self._crash(endpoint):
            endpoint.take_out(reason)
        else:
            with_mark(self._row, number, endpoint.load)

    def _renew_one(self, number: int, endpoint: Endpoint) -> str:
        return self._crash(endpoint) or with_mark(self._row, number, endpoint.renew)

    def _crash(self, endpoint: Endpoint) -> str:
        """How loading it ended the process that tried before this one."""
        return str(self.common.board.read_state().get("crashed", {}).get(endpoint.route.path, ""))

    def _take_row(self) -> Row:
        row = self.common.board.claim()
        row.cells[PID], row.cells[GENERATION] = os.getpid(), self.number
        return row

    def _succeed(self, arbiter: GenerationArbiter) -> None:
        """Load what has changed; go on as the next generation, or end."""
        self._wait_for_supervisor()
        reset_signals()
        self.number += 1
        self._row = self._take_row()
        for worker in arbiter.WORKERS.values():
            worker.tmp.close()
        arbiter.WORKERS.clear()
        arbiter.LISTENERS.clear()
        self.common.tell("candidate", self.number)
        assert self.application
        before = kernel.connections()
        changed = set(self.common.board.read_state().get("changed", ()))
        endpoints = self.application.endpoints
        renewed, refused = renew(endpoints, changed, Path.cwd(), self._renew_one)
        for number, endpoint in enumerate(endpoints):
            if endpoint in renewed:
                self.outages.forget(number)
        if reason := not_to_be_forked(before):
            refused |= dict.fromkeys((endpoint.route.path for endpoint in renewed), reason)
            renewed = []
        if not renewed:
            self.common.tell("refused", self.number, refused=refused)
            leave(0)
        self.common.tell("renewed", self.number, refused=refused, renewed=[e.route.path for e in renewed])

    def _wait_for_supervisor(self) -> None:
        """Until it is our parent: what the kernel does when the process between has gone."""
        while os.getppid() != self.common.own.cells[PID]:
            time.sleep(0.001)
        kernel.end_with_parent()


class GenerationArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's, with SIGHUP meaning: look for new models."""

    def __init__(self, server: Server, generation: Generation) -> None:
        self._generation = generation
        super().__init__(server)

    def handle_hup(self) -> None:
        """Fork the next generation off; it becomes the supervisor's child, since the process between ends at once."""
        try:
            between = os.fork()
        except OSError as error:  # of memory or processes there are no more
            generation = self._generation
            generation.common.tell(
                "refused", generation.number + 1, refused={ALL: f"cannot be loaded: {error.strerror}"}
            )
            return
        if between == 0:
            if os.fork() == 0:
                raise Successor
            os._exit(0)
        try:
            os.waitpid(between, 0)
        except ChildProcessError:  # reaped already, as any child
            self.log.debug("reaped: %s", between)

    def spawn_workers(self) -> None:
        """All at once: they have nothing to load that they could disturb each other with."""
        for _ in range(self.num_workers - len(self.WORKERS)):
            self.spawn_worker()

    def stop(self, graceful: bool = True) -> None:
        """Nobody listens from now on but the workers, which answer what has come."""
        common = self._generation.common
        common.listener.close()
        # A worker that is just being forked may miss the signal.
        self.cfg.set("graceful_timeout", common.seconds_to_finish if graceful else QUICK_STOP_SECONDS)
        super().stop(graceful)


def not_to_be_forked(before: set[str]) -> str:
    """Why this process must not be forked after loading; empty where it may. ``before``: what it held open then."""
    threads = kernel.thread_count()
    if threads > 1:
        return f"loading them started {threads - 1} thread(s)"
    opened = kernel.connections() - before
    return f"loading them left {len(opened)} connection(s) open" if opened else ""


def with_mark(row: Row, number: int, action: Callable[[], T]) -> T:
    """Call it with the board saying that route ``number`` is being loaded: if this process dies, that is why."""
    row.cells[LOADING] = number + 1
    try:
        return action()
    finally:
        row.cells[LOADING] = 0


def reset_signals() -> None:
    """As in a new process: a signal while models are loaded ends it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def leave(status: int) -> NoReturn:
    """End this process without what the supervisor's own end does."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
