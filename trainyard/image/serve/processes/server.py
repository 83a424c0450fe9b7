"""gunicorn, configured here and not by files or flags."""

from __future__ import annotations

import logging
import os
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from trainyard.image.serve.application import Application
from trainyard.image.serve.preflight import BACKLOG, heartbeat_folder
from trainyard.image.serve.processes.generation import Generation
from trainyard.image.serve.processes.worker import EventWorker


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """What gunicorn asks for: the settings, the application, and what to do when workers come and go."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._common = generation.common
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        for name, value in self._options().items():
            if name in self.cfg.settings:  # control_socket_disable came with gunicorn 25.1
                self.cfg.set(name, value)

    def load(self) -> Application:
        """The application; loaded here, in the worker, where it may not be shared."""
        return self._generation.application or self._generation.load()

    def _options(self) -> dict[str, Any]:
        settings = self._common.settings
        return {
            # gunicorn closes what it is given, once it has its own.
            "bind": f"fd://{os.dup(self._common.listener.fileno())}",
            "backlog": BACKLOG,
            "worker_class": EventWorker,
            "workers": self._generation.workers,
            "threads": settings.threads,
            "timeout": settings.timeout,
            "graceful_timeout": settings.stop_timeout,
            "logger_class": GunicornLog,
            "worker_tmp_dir": heartbeat_folder(),
            # Its socket lies in a home directory, which an arbitrary uid has not.
            "control_socket_disable": True,
            "pre_fork": self._before_fork,
            "child_exit": self._after_exit,
        }

    def _before_fork(self, _arbiter: Any, worker: Any) -> None:
        worker.generation = self._generation
        worker.row = self._generation.claim_row()
        worker.notify()  # gunicorn never ends one that hangs before its first heartbeat

    def _after_exit(self, arbiter: Any, worker: Any) -> None:
        if arbiter.LISTENERS:  # else a signal has ended it
            self._generation.outages.blame(worker.row, killed=worker.killed)
        self._common.board.release(worker.row)


class GunicornLog(Logger):  # type: ignore[misc] # gunicorn has no types
    """Leaves what gunicorn says to our handler, so its lines look like ours."""

    def setup(self, _cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.handlers.clear()
        self.error_log.setLevel(logging.NOTSET)
