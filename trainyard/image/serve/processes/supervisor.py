"""The first process of a daemon: starts generations of the server, lets a new one take over, ends with them.

It runs no code of the user's and answers no requests, so nothing that these do can end it.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainyard.image.serve.processes.arbiter import ALL, UNSHAREABLE, leave, reset_signals, run_generation
from trainyard.image.serve.processes.ending_processes import end_leftovers, ended, how, how_loading, kill, pids
from trainyard.image.serve.processes.leftovers import Leftovers
from trainyard.image.serve.processes.load_limit import took_too_long
from trainyard.image.serve.processes.progress import Running, load_deadline, route_loading
from trainyard.image.serve.processes.watch import WATCH_SECONDS, Watch, signature
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.daemon_context import DRAINING, DaemonContext
from trainyard.image.serve.shared.reports import Candidate, DaemonState, Ready, Refused, Renewed, Report, RouteState
from trainyard.image.serve.shared.signals import MEANINGLESS, ignore
from trainyard.settings.image import root_path_of

LOG = logging.getLogger("trainyard.serve")
MODELS = Path("models")
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
RESTARTS = 5  # of a generation that ended by itself, within
RESTART_SECONDS = 60.0
TRIES = 3  # to load new models in a process that is killed meanwhile
FORK_SECONDS = 10.0  # for the first word of a process that loads new models
MOST_CHANGED = 1000  # names of files that are passed on; where more have changed, every route is loaded again
STOP_GRACE = 3.0  # seconds beyond STOP_TIMEOUT, before what is left is killed


class Supervisor:
    """Runs in the process that was started, until a signal says stop."""

    def __init__(self, common: DaemonContext) -> None:
        self._common = common
        self._shared = common.settings.share
        self._watch = Watch(MODELS)
        self._leftovers = Leftovers(common)
        self._current: Running | None = None
        self._candidate: Running | None = None
        self._number = 1  # of the newest generation
        self._tries = 0
        self._asked = False  # to look for new models, whatever the watch says
        self._refused_by_candidate: dict[str, str] = {}  # what it goes on with the old model of, and why
        self._restarts: list[float] = []
        self._signals: list[int] = []
        self._state = DaemonState()

    def run(self) -> int:
        """Serve; the exit status."""
        kernel.adopt_orphans()
        self._common.own.pid = os.getpid()
        with selectors.PollSelector() as selector:  # has no descriptor that forks would have, too
            woken, waker = os.pipe()
            os.set_blocking(woken, False)
            os.set_blocking(waker, False)
            signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
            ignore(*MEANINGLESS)
            for number in (*STOPPING, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, lambda number, _frame: self._signals.append(number))
            selector.register(woken, selectors.EVENT_READ)
            selector.register(self._common.report[0], selectors.EVENT_READ)
            self._current = self._start()
            try:
                return self._serve(selector, woken)
            finally:
                end_leftovers()

    def _serve(self, selector: selectors.BaseSelector, woken: int) -> int:
        while True:
            if any(key.fd == woken for key, _ in selector.select(WATCH_SECONDS)):
                os.read(woken, 4096)
            status = self._step()
            if status is not None:
                return status

    # -- one look at everything ---------------------------------------------------------------------------------

    def _step(self) -> int | None:
        """What has happened since the last look; an exit status once all is over."""
        signals, self._signals = self._signals, []
        for number in signals:
            if number in STOPPING:
                return self._stop(number)
        while report := self._common.next_report():
            self._on_report(report)
        status = self._reap()
        if status is not None:
            return status
        self._check_deadline()
        if not self._candidate or self._candidate.pid:  # else one may be adopted any moment that nobody knows yet
            self._leftovers.look(time.monotonic(), self._own_pids())
        self._asked = self._asked or signal.SIGHUP in signals
        if self._current and self._current.ready and not self._candidate:
            if self._asked:
                self._asked = False
                self._renew(set(signature(MODELS)))
            elif self._common.settings.watch:
                self._renew(self._watch.changed(time.monotonic()))
        return None

    def _start(self) -> Running:
        """Fork a generation that loads everything anew."""
        number = self._number
        pid = os.fork()
        if pid == 0:
            reset_signals()
            try:
                run_generation(self._common, number, shared=self._shared)
            except BaseException:
                LOG.exception("the server cannot be started")
                leave(1)
        return Running(pid, number, load_deadline(self._common))

    def _renew(self, changed: set[str]) -> None:
        """Let a new generation load what has changed."""
        if not changed:
            return
        LOG.info("models/ has changed: %s", ", ".join(sorted(changed)[:5]) + (" ..." if len(changed) > 5 else ""))
        self._publish(changed=sorted(changed) if len(changed) <= MOST_CHANGED else None, crashed={})
        self._tries = 1
        self._fork_candidate()

    def _fork_candidate(self) -> None:
        assert self._current
        self._refused_by_candidate = {}
        self._number += 1
        if self._shared:
            self._candidate = Running(0, self._number, time.monotonic() + FORK_SECONDS)
            self._common.own.wanted = self._number
            os.kill(self._current.pid, signal.SIGHUP)
        else:
            self._candidate = self._start()

    def _on_report(self, report: Report) -> None:
        candidate, current = self._candidate, self._current
        if candidate and report.generation == candidate.number:
            if not candidate.pid:
                candidate.pid = report.pid
                candidate.deadline = load_deadline(self._common)
            if isinstance(report, Refused):
                self._refuse(report.refused)
            elif isinstance(report, Renewed):
                self._note_refused(report.refused)
                refused = self._state.refused
                self._refused_by_candidate = {k: v for k, v in refused.items() if k not in report.renewed}
            elif isinstance(report, Ready):
                self._promote(report.routes)
        elif isinstance(report, Ready) and current and not current.ready and report.generation == current.number:
            current.ready = True
            self._common.note_ready()
            self._publish(accepted=current.number, routes=report.routes)
            root = root_path_of(self._common.settings.root_path)
            posted = [f"POST {root}/{path}" for path, state in report.routes.items() if not state.reason]
            LOG.info("ready: %s", ", ".join(posted) or "no route serves")
        elif isinstance(report, Candidate) and report.pid in pids(self._common):  # nobody waits for it any more
            kill(report.pid, signal.SIGKILL)

    # -- taking over --------------------------------------------------------------------------------------------

    def _promote(self, routes: Mapping[str, RouteState]) -> None:
        """The candidate serves; the one before answers what it has accepted, and ends."""
        assert self._current
        assert self._candidate
        for path, state in routes.items():
            before = self._state.routes.get(path)
            if before is None or state.version != before.version:
                LOG.info("route /%s is served by version %s", path, state.version or "-")
        self._publish(accepted=self._candidate.number, routes=routes, refused=self._refused_by_candidate)
        os.kill(self._current.pid, signal.SIGTERM)
        self._current, self._candidate = self._candidate, None
        self._current.ready = True

    def _refuse(self, reasons: Mapping[str, str]) -> None:
        """The candidate is not taken; what serves goes on."""
        self._note_refused(reasons)
        candidate, self._candidate = self._candidate, None
        if candidate and candidate.pid:
            kill(candidate.pid, signal.SIGTERM)

    def _note_refused(self, reasons: Mapping[str, str]) -> None:
        for path, reason in reasons.items():
            LOG.error("route /%s keeps the model that it has: %s", path, reason)
        self._publish(refused={**self._state.refused, **reasons})

    def _check_deadline(self) -> None:
        for running in (self._current, self._candidate):
            if running and running.pid and not running.ready:
                running.note_progress(self._common)
        candidate, now = self._candidate, time.monotonic()
        seconds = self._common.settings.load_timeout
        if candidate and now > candidate.deadline and not candidate.pid:
            self._on_candidate_end(-signal.SIGKILL, "")  # before it has reported anything
        elif candidate and now > candidate.deadline:
            kill(candidate.pid, signal.SIGKILL)
            self._refuse({route_loading(self._common, candidate.pid) or ALL: took_too_long(seconds)})
        elif self._current and not self._current.ready and now > self._current.deadline:
            LOG.error("%s (route /%s)", took_too_long(seconds), route_loading(self._common, self._current.pid))
            kill(self._current.pid, signal.SIGKILL)
            self._current.deadline = load_deadline(self._common)

    # -- processes that end -------------------------------------------------------------------------------------

    def _reap(self) -> int | None:
        for pid, code in ended():
            loading = route_loading(self._common, pid)
            self._free_rows(pid)
            if self._candidate and self._current and pid == self._current.pid:
                self._drop_candidate()  # what is started instead loads everything anew
                self._candidate = None
            if self._current and pid == self._current.pid:
                status = self._on_current_end(code, loading)
                if status is not None:
                    return status
            elif self._candidate and pid == self._candidate.pid:
                self._on_candidate_end(code, loading)
        return None

    def _own_pids(self) -> set[int]:
        """Of the processes that were started here, whether they are on the board yet or not."""
        return {running.pid for running in (self._current, self._candidate) if running and running.pid}

    def _on_current_end(self, code: int, loading: str) -> int | None:
        """What serves has ended by itself: an exit status, where starting it again makes no sense."""
        assert self._current
        was_ready = self._current.ready
        if code == UNSHAREABLE:
            self._shared = False
        elif code >= 0 and not was_ready:
            return code or 1  # it has logged why
        else:
            LOG.error("the server has ended (%s): it is started again", how(code))
            now = time.monotonic()
            self._restarts = [at for at in self._restarts if now - at < RESTART_SECONDS] + [now]
            if len(self._restarts) > RESTARTS:
                LOG.error("it has ended %d times within %d s", len(self._restarts), RESTART_SECONDS)
                return 1
            self._note_crash(loading, code)
        self._number += 1
        self._current = self._start()
        return None

    def _drop_candidate(self) -> None:
        """Kill what there is of it."""
        for row in self._common.board.rows():
            if self._candidate and row.generation == self._candidate.number and row.pid > 0:
                kill(row.pid, signal.SIGKILL)

    def _on_candidate_end(self, code: int, loading: str) -> None:
        """It ended without a word: because of the route that it was loading, if it was; then without that one."""
        self._candidate = None
        if code == -signal.SIGKILL and self._tries < TRIES:
            LOG.warning("what was loading new models was killed: once more")
            self._tries += 1
            self._fork_candidate()
            return
        self._note_refused({loading or ALL: how_loading(code)})
        if loading:
            self._note_crash(loading, code)
            self._fork_candidate()

    def _note_crash(self, loading: str, code: int) -> None:
        """Let the next generation leave this route alone, until its files change."""
        if loading:
            self._publish(crashed={**self._state.crashed, loading: how_loading(code)})

    def _free_rows(self, pid: int) -> None:
        rows = list(self._common.board.rows())
        ended = {row.generation for row in rows if row.pid == pid}
        for row in rows:
            # A row whose process was yet to be forked belongs to the arbiter that would have.
            if row.pid == pid or (row.pid < 0 and row.generation in ended):
                self._common.board.release(row)

    # -- the end ------------------------------------------------------------------------------------------------

    def _stop(self, number: int) -> int:
        """Pass the signal on, wait for all to end, kill what does not."""
        self._common.own.cells[self._common.board.counter(DRAINING)] = 1
        self._common.listener.close()
        if self._current:
            kill(self._current.pid, number)
        waited_for = self._own_pids()
        deadline = time.monotonic() + self._common.settings.stop_timeout + STOP_GRACE
        while time.monotonic() < deadline:
            if signal.SIGINT in self._signals and number == signal.SIGTERM and self._current:
                kill(self._current.pid, signal.SIGINT)
            self._signals.clear()
            self._drop_candidate()
            for pid, _ in ended():
                self._free_rows(pid)
                waited_for.discard(pid)
            if not waited_for and not pids(self._common):
                return 0
            time.sleep(0.01)
        for pid in {*pids(self._common), *waited_for}:
            kill(pid, signal.SIGKILL)
        return 0

    def _publish(self, **facts: Any) -> None:
        self._state = replace(self._state, **facts)
        try:
            self._common.board.write_state(self._state)
        except ValueError as error:  # without the reasons, which are in the log, too
            LOG.warning("what is known of the routes is not shown at /readyz and /metrics: %s", error)
            self._common.board.write_state(DaemonState(self._state.accepted, changed=None))
