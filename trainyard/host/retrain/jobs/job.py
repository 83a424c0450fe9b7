"""What is known of one job."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a job is. It goes down this list, but for one whose process was killed: that waits again."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
NOT_OVER = (State.WAITING, State.RUNNING)


BY_HAND = "cancelled"  # why a job ended that somebody has cancelled


class StepName(StrEnum):
    """The steps of a job, in their order."""

    FETCH = "fetch"
    LOCATE = "locate"
    BUILD = "build"
    TRAIN = "train"
    REGISTER = "register"  # track, register, contest
    DEPLOY = "deploy"


@dataclass(frozen=True)
class Step:
    """One step. ``ended`` is None while it goes on; ``error`` is why it failed."""

    name: StepName
    started: datetime
    ended: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Job:
    """A job as the table has it. Times are UTC.

    Attributes:
        request: the body as it came, with what it leaves out; a credential in ``git_uri`` is not in there.
        key: of two jobs with the same key only one runs: it names repository and model.
        trigger: who asked: ``token <name>``, ``schedule``, ``data``, ``drift``, ``push``.
        tries: how often its process was started.
        secret: whether it came with a credential, which only the service's memory has.
        stopping: why a job that runs shall end: that it is cancelled, or takes too long.
        compute: where it trains, by name; empty: on the machine of the service.
        commit: the full SHA.
        reason: why the contest went as it did, or why the job failed.
        champion, champion_metrics: the version that was it before, and its metrics.
        links: where the tracker shows the run and the version.
        told: whether those who want to know have been told that it is over.
    """

    id: str
    state: State
    request: dict[str, Any]
    key: str
    trigger: str
    created: datetime
    priority: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    tries: int = 0
    secret: bool = False
    stopping: str = ""
    compute: str = ""
    commit: str = ""
    steps: tuple[Step, ...] = ()
    run: str = ""
    version: str = ""
    promoted: bool | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    champion: str = ""
    champion_metrics: dict[str, float] = field(default_factory=dict)
    retry_of: str = ""
    links: dict[str, str] = field(default_factory=dict)
    told: bool = False

    @property
    def step(self) -> Step | None:
        """The one that goes on."""
        return self.steps[-1] if self.steps and self.steps[-1].ended is None else None
