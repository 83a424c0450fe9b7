"""gunicorn, configured here and not by files or flags."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from trainyard.environment import Environment
from trainyard.errors import TrainyardError
from trainyard.resolve import MODEL_NAME_VARIABLES
from trainyard.routes import Route, is_merged
from trainyard.serve.application import Application
from trainyard.serve.logs import FORMATS, LEVELS, GunicornLog
from trainyard.serve.processes.generation import Generation
from trainyard.serve.processes.worker import EventWorker
from trainyard.settings import ImageSettings

BACKLOG = 2048
SHARED_MEMORY = "/dev/shm"  # noqa: S108 -- in memory, where a heartbeat does not wait for a disk


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
            "worker_tmp_dir": SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else None,
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
        if arbiter.LISTENERS:  # else it was told to stop
            self._generation.outages.blame(worker.row, killed=worker.killed)
        self._common.board.release(worker.row)


def listen(settings: ImageSettings) -> socket.socket:
    """The listening socket. gunicorn retries for five seconds where the port is in use; this fails at once.

    Raises:
        TrainyardError: the address is in use, or cannot be bound.
    """
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.bind, settings.port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise TrainyardError(
            f"cannot listen on {settings.bind} port {settings.port}: {reason}", "choose another PORT (or BIND)"
        ) from None
    return listener


def check_settings(settings: ImageSettings) -> None:
    """Refuse what gunicorn would choke on.

    Raises:
        TrainyardError: naming the variable.
    """
    for variable, value, known in (
        ("LOG_LEVEL", settings.log_level, LEVELS),
        ("LOG_FORMAT", settings.log_format, FORMATS),
    ):
        if value not in known:
            raise TrainyardError(f"{variable}={value}: there is none such", f"say {' or '.join(known)}")
    if settings.threads < 1:
        raise TrainyardError(f"THREADS={settings.threads}: a worker without threads", "say THREADS=1 or more")
    if settings.port > 65535:
        raise TrainyardError(f"PORT={settings.port}: there is no such port", "choose one below 65536")


def set_model_name(environment: Environment, settings: ImageSettings) -> str:
    """Make MODEL_NAME and its historical spelling agree; returns a warning, or "".

    In a merged image one MODEL_NAME would make every route serve that one binary, so it is taken away.
    """
    if is_merged(environment):
        given = [name for name in MODEL_NAME_VARIABLES if os.environ.pop(name, None)]
        return f"{' and '.join(given)} ignored: this image serves several models" if given else ""
    if settings.model_name:
        os.environ.update(dict.fromkeys(MODEL_NAME_VARIABLES, settings.model_name))
    return ""


def describe(routes: tuple[Route, ...], settings: ImageSettings, listener: socket.socket) -> str:
    """What is served, where, by how many, for the first line of the log."""
    host, port = listener.getsockname()[:2]
    paths = ", ".join(f"POST /{route.path}" for route in routes)
    return f"{Path.cwd()} on http://{host}:{port}: {paths} ({settings.workers} x {settings.threads} threads)"
