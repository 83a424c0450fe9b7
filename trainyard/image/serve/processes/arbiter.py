"""gunicorn's arbiter, which forks the workers of a generation and watches them; and how the next one comes from it.

The models are loaded before the workers are forked, so that these share their memory and a worker that died is replaced
in milliseconds, whatever lies in ``models/`` by then. That is safe for a process of one thread that holds no connection
open, and done for no other (``not_to_be_forked``): models then are loaded in each worker.

A new model is loaded in a fork of the arbiter, beside the old ones. If its sample is predicted, the fork goes on as the
arbiter of the next generation; if not, it ends, and nothing has happened to the one that serves.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from typing import NoReturn

from gunicorn.arbiter import Arbiter

from trainyard.image.serve.processes.ending_processes import end_children
from trainyard.image.serve.processes.generation import Generation
from trainyard.image.serve.processes.server import Server
from trainyard.image.serve.shared import forks, kernel
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.reports import Refused, Renewed
from trainyard.image.serve.shared.signals import MEANINGLESS, ignore

LOG = logging.getLogger("trainyard.serve")
ALL = "*"  # in place of a route: all of them
QUICK_STOP_SECONDS = 1
UNSHAREABLE = 77  # exit status: load the models in each worker


class Successor(BaseException):
    """Raised in the fork that becomes the next generation; no ``except Exception`` of the arbiter's holds it up."""


def run_generation(common: DaemonContext, number: int, *, shared: bool) -> NoReturn:
    """In a process of its own: load the models, unless each worker is to, and serve until a signal ends it."""
    kernel.end_with_parent()
    reset_signals()
    forks.set_apart(*common.sockets)
    generation = Generation(common, number)
    if shared:
        before = kernel.connections()
        generation.application = generation.load(lambda: _leave_if_unshareable(before))
        common.note_loaded()
    while True:
        gc.unfreeze()  # what the last generation has left, too
        gc.collect()
        gc.freeze()  # collecting would write to every page that workers share
        generation.fit_workers()
        arbiter = GenerationArbiter(Server(generation), generation)
        try:
            arbiter.run()
        except Successor:
            arbiter.forget()
            _succeed(generation, arbiter.successor)
        except SystemExit as error:
            leave(error.code if isinstance(error.code, int) else 1)


def _leave_if_unshareable(before: set[str]) -> None:
    if reason := not_to_be_forked(before):
        LOG.warning("models are loaded in each worker and not shared: %s", reason)
        leave(UNSHAREABLE)


def _succeed(generation: Generation, number: int) -> None:
    """Load what has changed; go on as generation ``number``, or end."""
    common = generation.common
    while os.getppid() != common.own.pid:  # until the process between has gone
        time.sleep(0.001)
    kernel.end_with_parent()
    reset_signals()
    forks.set_apart(*common.sockets)
    before = kernel.connections()
    renewed, refused = generation.renew(number)
    if reason := not_to_be_forked(before):
        refused |= dict.fromkeys(renewed, reason)
        renewed = []
    if not renewed:
        common.tell(Refused(generation.number, refused))
        leave(0)
    common.note_loaded()
    common.tell(Renewed(generation.number, renewed, refused))


class GenerationArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's, with SIGHUP meaning: look for new models."""

    # With these exit statuses of a worker gunicorn gives up; its own, 3 and 4, a predict function may end with, too.
    WORKER_BOOT_ERROR = 213
    APP_LOAD_ERROR = 214

    def __init__(self, server: Server, generation: Generation) -> None:
        self._generation = generation
        self.successor = generation.number  # the newest that was asked for
        super().__init__(server)

    def init_signals(self) -> None:
        """gunicorn's, which changes the number of workers at some of the others, or starts a server of its own."""
        super().init_signals()
        ignore(*MEANINGLESS)

    def handle_hup(self) -> None:
        """Fork the next generation off; it becomes the supervisor's child, since the process between ends at once.

        A SIGHUP of somebody else's goes to the supervisor, which must know of every generation.
        """
        wanted = self._generation.common.own.wanted
        if wanted <= self.successor:
            os.kill(os.getppid(), signal.SIGHUP)
            return
        self.successor = wanted
        try:
            with forks.of_the_server():
                between = os.fork()
        except OSError as error:  # of memory or processes there are no more
            reasons = {ALL: f"cannot be loaded: {error.strerror}"}
            self._generation.common.tell(Refused(wanted, reasons))
            return
        if between == 0:
            with forks.of_the_server():
                successor = os.fork()
            if successor == 0:
                raise Successor
            os._exit(0)
        try:
            os.waitpid(between, 0)
        except ChildProcessError:  # reaped already, as any child
            self.log.debug("reaped: %s", between)

    def forget(self) -> None:
        """In a fork: these workers are another's."""
        for worker in self.WORKERS.values():
            worker.tmp.close()
        self.WORKERS.clear()
        self.LISTENERS.clear()

    def manage_workers(self) -> None:
        """Where models are not shared, what the first worker takes decides how many more there are."""
        if self._generation.application is None:
            self._generation.fit_workers()
            self.num_workers = self._generation.workers
        super().manage_workers()

    def reap_workers(self) -> None:
        """Note who was killed, which gunicorn does not tell ``child_exit``."""
        for pid, worker in self.WORKERS.items():
            with contextlib.suppress(ChildProcessError):
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                killed = ended and ended.si_code == os.CLD_KILLED and ended.si_status == signal.SIGKILL
                worker.killed = bool(killed) and not worker.aborted
        super().reap_workers()

    def spawn_worker(self) -> int:
        with forks.of_the_server():
            return int(super().spawn_worker())

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
    if not kernel.has_proc():
        return "without /proc nobody sees what loading them has started"
    threads = kernel.thread_count()
    if threads > 1:
        return f"loading them started {threads - 1} thread(s)"
    opened = kernel.connections() - before
    return f"loading them left {len(opened)} connection(s) open" if opened else ""


def reset_signals() -> None:
    """As in a new process: a signal while models are loaded ends it, but for the one that asks to load them."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    ignore(signal.SIGHUP, *MEANINGLESS)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def leave(status: int) -> NoReturn:
    """End this process, and what the models have started in it, without what the supervisor's own end does."""
    try:
        end_children()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # which model code may have replaced by anything
                stream.flush()
    finally:
        os._exit(status)
