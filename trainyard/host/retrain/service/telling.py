"""Tells of jobs that begin and end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainyard.host.retrain.jobs.job import Job, State
from trainyard.host.retrain.notices.notice import LAST_LINES, Event
from trainyard.host.retrain.notices.notices import Notices
from trainyard.host.retrain.work.job_folder import JobFolder

_TAIL = 1 << 14  # bytes of a log in which its last lines are
_EVENTS = {State.SUCCEEDED: Event.SUCCEEDED, State.FAILED: Event.FAILED, State.CANCELLED: Event.CANCELLED}


@dataclass(frozen=True)
class Telling:
    """Posts notices; ``state`` is the state folder, where the logs of jobs are."""

    notices: Notices
    state: Path

    def started(self, job: Job) -> None:
        self.notices.post(job, Event.STARTED)

    def ended(self, job: Job) -> None:
        if event := _EVENTS.get(job.state):
            self.notices.post(job, event, self._last_lines(job.id) if event is Event.FAILED else ())

    def _last_lines(self, job_id: str) -> list[str]:
        try:
            with JobFolder(self.state, job_id).log.open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - _TAIL))
                return log.read().decode(errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            return []
