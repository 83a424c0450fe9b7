"""One generation of the server: which models it has loaded, and which routes it serves by them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from trainyard.image.serve.app import create_app
from trainyard.image.serve.application import Application
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.processes.load_limit import load_limit
from trainyard.image.serve.processes.out_of_service import OutOfService
from trainyard.image.serve.processes.reloading import renew
from trainyard.image.serve.shared import forks
from trainyard.image.serve.shared.board import Row
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.reports import Candidate, RouteState
from trainyard.image.serve.shared.upkeep import Upkeep

T = TypeVar("T")
LOG = logging.getLogger("trainyard.serve")


class Generation:
    """Of an arbiter and its workers; ``number`` counts the generations of this daemon from 1."""

    def __init__(self, common: DaemonContext, number: int) -> None:
        self.common = common
        self.number = number
        self.application: Application | None = None  # loaded before the workers are forked, where it may be
        self.outages = OutOfService(common)
        self.upkeep = Upkeep()
        self.workers = 1
        self._logged = ""
        self._row = self._take_row()

    def load(self, check: Callable[[], object] = lambda: None) -> Application:
        """Import and warm up all routes but those that are out of service; ``check`` is called after each."""

        def load_one(number: int, endpoint: Endpoint) -> None:
            self._load_one(number, endpoint)
            check()

        return create_app(self.common.routes, self.common.settings, load=load_one, common=self.common)

    def renew(self, number: int) -> tuple[list[str], dict[str, str]]:
        """In a fork: become generation ``number``, with what has changed in ``models/`` loaded.

        Returns:
            The routes that were renewed, and by route why others go on with what they had.
        """
        assert self.application
        self.number = number
        self._row = self._take_row()
        self.common.tell(Candidate(self.number))
        changed = self.common.board.read_state().changed
        endpoints = self.application.endpoints
        renewed, refused = renew(endpoints, None if changed is None else set(changed), Path.cwd(), self._renew_one)
        for place, endpoint in enumerate(endpoints):
            if endpoint in renewed:
                self.outages.forget(place)
        return [endpoint.route.path for endpoint in renewed], refused

    def fit_workers(self) -> None:
        """Decide how many workers there are, as far as it is known what one takes; say so where it matters."""
        shared, loaded, limits = self.application is not None, self.common.loaded_bytes, self.common.limits
        self.workers = limits.fitting(loaded, shared=shared)
        level, text = limits.remark(loaded, shared=shared)
        if text not in ("", self._logged):
            LOG.log(level, "%s", text)
        self._logged = text

    def claim_row(self) -> Row:
        """The row of a worker that is about to be forked."""
        row = self.common.board.claim()
        row.generation = self.number
        return row

    def enter(self, row: Row) -> None:
        """In a worker: its own row says what this process does."""
        row.pid = os.getpid()
        self._row = row

    @property
    def loaded(self) -> int:
        """How many routes this process has got through so far, whatever came of each."""
        return self._row.loaded

    def routes(self, application: Application) -> dict[str, RouteState]:
        """For each route its version, and why it is not ready."""
        return {
            endpoint.route.path: RouteState(endpoint.version, endpoint.reason) for endpoint in application.endpoints
        }

    def worse_than_before(self, routes: Mapping[str, RouteState]) -> dict[str, str]:
        """Which routes were ready and now are not, with the reasons: they keep this generation from serving.

        Only one that loads in its workers finds that out so late.
        """
        state = self.common.board.read_state()
        if self.application or state.accepted >= self.number:
            return {}
        was_ready = {path for path, before in state.routes.items() if not before.reason}
        return {path: now.reason for path, now in routes.items() if now.reason and path in was_ready}

    def _load_one(self, number: int, endpoint: Endpoint) -> None:
        if reason := self.outages.reason(number) or self._crash(endpoint):
            endpoint.take_out(reason)
            return
        try:
            self._with_mark(number, endpoint.load)
        except Exception as error:  # noqa: BLE001 -- it is logged, and the other routes are loaded
            endpoint.take_out(_unforeseen(endpoint, error))

    def _renew_one(self, number: int, endpoint: Endpoint) -> str:
        try:
            return self._crash(endpoint) or self._with_mark(number, endpoint.renew)
        except Exception as error:  # noqa: BLE001 -- as above
            return _unforeseen(endpoint, error)

    def _crash(self, endpoint: Endpoint) -> str:
        """How loading it ended the process that tried before this one."""
        return self.common.board.read_state().crashed.get(endpoint.route.path, "")

    def _with_mark(self, number: int, action: Callable[[], T]) -> T:
        """Call it with the board saying that route ``number`` is being loaded: if this process dies, that is why."""
        self._row.loading = number + 1
        try:
            with load_limit(self.common.settings.load_timeout):
                return action()
        finally:
            forks.leave_if_child()
            self.upkeep.set_right()
            self._row.loading = 0
            self._row.loaded += 1

    def _take_row(self) -> Row:
        row = self.common.board.claim()
        row.pid, row.generation = os.getpid(), self.number
        return row


def _unforeseen(endpoint: Endpoint, error: Exception) -> str:
    """What is wrong with one model's files, in a way that nobody has thought of, is that route's reason alone."""
    LOG.error("route /%s cannot be loaded", endpoint.route.path, exc_info=error)
    return f"loading it fails: {type(error).__name__}, see the log"
