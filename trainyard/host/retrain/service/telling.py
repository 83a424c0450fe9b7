"""Tells of jobs from threads: whoever is slow to hear holds nothing up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trainyard.host.retrain.jobs.job import Job, State
from trainyard.host.retrain.notices.notice import LAST_LINES, Event
from trainyard.host.retrain.notices.notices import Notices
from trainyard.host.retrain.work.job_folder import JobFolder
from trainyard.host.support.reporter import Reporter

_AT_ONCE = 8
_TAIL = 1 << 14  # bytes of a log in which its last lines are
_EVENTS = {State.SUCCEEDED: Event.SUCCEEDED, State.FAILED: Event.FAILED, State.CANCELLED: Event.CANCELLED}


class Telling:
    """Sends notices; what was not delivered is a warning in the log of the service."""

    def __init__(self, notices: Notices, state: Path, reporter: Reporter) -> None:
        self._notices, self._state, self._reporter = notices, state, reporter
        self._threads = ThreadPoolExecutor(_AT_ONCE, "telling")

    def started(self, job: Job) -> None:
        self._threads.submit(self._send, job, Event.STARTED)

    def ended(self, job: Job) -> None:
        if event := _EVENTS.get(job.state):
            self._threads.submit(self._send, job, event)

    def close(self) -> None:
        """Wait a little for what is under way."""
        self._threads.shutdown(wait=False, cancel_futures=False)
        for line in self._notices.close():
            self._reporter.warn(line)

    def _send(self, job: Job, event: Event) -> None:
        lines = self._last_lines(job.id) if event is Event.FAILED else []
        for line in self._notices.send(job, event, lines):
            self._reporter.warn(f"job {job.id}: {line}")

    def _last_lines(self, job_id: str) -> list[str]:
        try:
            with JobFolder(self._state, job_id).log.open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - _TAIL))
                return log.read().decode(errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            return []
