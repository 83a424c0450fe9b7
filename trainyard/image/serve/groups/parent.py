"""The first process of a server with groups of models: starts a daemon for each in its environment, ends with them.

It runs no code of the user's, answers no requests, and imports nothing but Python's own library: an environment that is
broken takes its own routes down, and no others.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from trainyard.contract.environment import Environment
from trainyard.contract.groups import Groups, groups_of
from trainyard.contract.routes import Route, routes_of
from trainyard.image.serve.groups import member
from trainyard.image.serve.logs import configure_logging
from trainyard.image.serve.processes.cores import memory_limit, usable_cores
from trainyard.image.serve.processes.ending_processes import end_leftovers, ended
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.other_groups import GONE, READY, Neighbours, States
from trainyard.image.serve.shared.signals import MEANINGLESS, ignore
from trainyard.image.serve.shared.worker_limits import WorkerLimits
from trainyard.settings.image import ImageSettings

LOG = logging.getLogger("trainyard.serve")
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
LISTENED_TO = {*STOPPING, signal.SIGHUP, signal.SIGCHLD}
STOP_GRACE = 5.0  # seconds beyond STOP_TIMEOUT, before what is left is killed; a daemon of one group takes less


def run_groups(
    environment: Environment, settings: ImageSettings, listener: socket.socket, warnings: tuple[str, ...]
) -> int:
    """Serve on ``listener`` until a signal says stop; the exit status. ``warnings`` are logged first."""
    configure_logging(settings)
    for warning in warnings:
        LOG.warning("%s", warning)
    signal.pthread_sigmask(signal.SIG_BLOCK, LISTENED_TO)  # they wait until they are asked for
    ignore(*MEANINGLESS)
    states, groups = States.create(), groups_of(environment)
    neighbours = connected(routes_of(environment), groups, states)
    parent = Parent(groups, states, settings)
    for own, limits in zip(neighbours, shares(settings, len(groups)), strict=True):
        parent.start(own, [str(environment.path), own.as_json(), str(listener.fileno()), as_json(limits)], listener)
    for end in {end for own in neighbours for end in (own.given, *own.giving)}:
        end.close()  # so that a group which has ended has ended for the others, too
    listener.close()
    kernel.adopt_orphans()  # of a daemon that was killed
    try:
        return parent.watch()
    finally:
        end_leftovers()


def connected(routes: tuple[Route, ...], groups: Groups, states: States) -> list[Neighbours]:
    """What each group knows of all."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in groups]
    for pair in pairs:
        for end in pair:
            end.setblocking(False)
    giving = tuple(giving for _, giving in pairs)
    return [Neighbours(routes, groups, number, states, given, giving) for number, (given, _) in enumerate(pairs)]


def shares(settings: ImageSettings, count: int) -> list[WorkerLimits]:
    """WORKERS, cores and memory are the whole server's: each group gets an equal part, and one worker at least."""
    workers = divided(settings.workers, count) if settings.workers else [0] * count
    cores = divided(usable_cores(), count)
    return [WorkerLimits(*both, memory_limit() // count) for both in zip(workers, cores, strict=True)]


def divided(total: int, count: int) -> list[int]:
    """``total`` in ``count`` equal parts, the first of them larger where they cannot be equal; none is 0."""
    part, rest = divmod(total, count)
    return [max(1, part + (number < rest)) for number in range(count)]


def as_json(limits: WorkerLimits) -> str:
    return json.dumps([limits.asked, limits.cores, limits.memory])


def venv_of(number: int) -> Path:
    """The environment of a group, counted from 0: this one, or what VENV_2, ... say, or the one beside this."""
    own = Path(sys.prefix)
    return Path(os.environ.get(f"VENV_{number + 1}") or f"{own}-{number + 1}") if number else own


class Parent:
    """Knows the groups' processes, by their pid."""

    def __init__(self, groups: Groups, states: States, settings: ImageSettings) -> None:
        self._groups = groups
        self._states = states
        self._settings = settings
        self._running: dict[int, int] = {}  # pid to the group's number
        self._status = 1  # of the first group that could not be started

    def start(self, own: Neighbours, arguments: Sequence[str], listener: socket.socket) -> None:
        """Start the daemon of a group."""
        venv, needed = venv_of(own.number), (listener.fileno(), *own.descriptors)
        environment = os.environ | {
            "VIRTUAL_ENV": str(venv),
            "PATH": f"{venv}/bin:{os.environ.get('PATH', os.defpath)}",
        }
        if self._settings.api_token:
            environment["API_TOKEN"] = self._settings.api_token  # forgotten here by now
        python = str(venv / "bin" / "python")
        LOG.info("group %d: %s in %s", own.number + 1, self._routes(own.number), venv)
        for descriptor in needed:
            os.set_inheritable(descriptor, True)
        try:
            pid = os.posix_spawn(python, [python, "-m", member.__name__, *arguments], environment)
        except OSError as error:
            self._states[own.number] = GONE
            LOG.error("group %d cannot be started: %s: %s", own.number + 1, python, error.strerror)
        else:
            self._running[pid] = own.number
        for descriptor in needed:
            os.set_inheritable(descriptor, False)

    def watch(self) -> int:
        """Pass signals on until all have ended; the exit status."""
        while self._running:
            number = signal.sigwait(LISTENED_TO)
            if number in STOPPING:
                return self._stop(number, 0)
            if number == signal.SIGHUP:
                self._pass_on(number)
            for pid, code in ended():
                group = self._running.pop(pid, None)
                if group is not None and self._states[group] == READY:
                    LOG.error("group %d has ended (%s), and the others end with it", group + 1, code)
                    return self._stop(signal.SIGTERM, code or 1)
                if group is not None:
                    self._states[group] = GONE
                    self._status = code or 1
                    LOG.error("group %d could not be started: %s answer 503", group + 1, self._routes(group))
        return self._status

    def _stop(self, number: int, status: int) -> int:
        """End all, and kill what has not ended in time."""
        self._pass_on(number)
        deadline = time.monotonic() + self._settings.stop_timeout + STOP_GRACE
        while self._running and (left := deadline - time.monotonic()) > 0:
            again = signal.sigtimedwait(LISTENED_TO, left)
            if again and again.si_signo in STOPPING:
                self._pass_on(again.si_signo)
            for pid, _ in ended():
                self._running.pop(pid, None)
        self._pass_on(signal.SIGKILL)
        return status

    def _pass_on(self, number: int) -> None:
        for pid in self._running:
            os.kill(pid, number)  # not reaped yet, so it is nobody else's

    def _routes(self, number: int) -> str:
        return ", ".join(f"/{route.path}" for route in self._groups[number])
