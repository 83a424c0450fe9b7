"""The table of jobs, as the service and the processes of jobs use it. What one process has written is there for all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, func, insert, select, update

from trainyard.host.retrain.jobs.database import IDEMPOTENCY_KEYS, JOBS, writing
from trainyard.host.retrain.jobs.job import BY_HAND, NOT_OVER, OVER, Job, State, Step, StepName
from trainyard.host.retrain.jobs.job_rows import job_of, list_of, row_of

_ORDER = (JOBS.c.priority.desc(), JOBS.c.created, JOBS.c.id)  # in which jobs are begun


class TooManyWaiting(Exception):
    """As many jobs wait as may."""


class Busy(Exception):
    """The model has a job that is not over: ``job``."""

    def __init__(self, job: str) -> None:
        super().__init__(job)
        self.job = job


class OtherBody(Exception):
    """The same Idempotency-Key came with another body."""


@dataclass(frozen=True)
class Idempotency:
    """What makes a request that is sent again the same one."""

    owner: str
    key: str
    body: str  # its sha256


def new_id(now: datetime) -> str:
    """Ids sort by time."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class JobStore:
    """All jobs."""

    engine: Engine

    def add(
        self, job: Job, most_waiting: int, same: Idempotency | None = None, *, refuse: bool = False,
        instead: bool = False,
    ) -> Job:  # fmt: skip
        """Add a job; the one that is there already where the request came before. ``refuse``, ``instead``: what becomes
        of it, and of the other one, where the model has another that is not over.

        Raises:
            TooManyWaiting, Busy (where ``refuse``), OtherBody.
        """
        with writing(self.engine) as connection:
            if same and (known := _known(connection, same)):
                return known
            if refuse and (other := _not_over(connection, job.key)):
                raise Busy(other)
            if instead:  # in the same transaction: of several that replace each other, the last one stays
                _stop_all(connection, job.key)
            if _count(connection, State.WAITING) >= most_waiting:
                raise TooManyWaiting
            connection.execute(insert(JOBS).values(row_of(job)))
            if same:
                connection.execute(insert(IDEMPOTENCY_KEYS).values(**asdict(same), job=job.id))
        return job

    def find(self, job_id: str) -> Job | None:
        with self.engine.connect() as connection:
            return job_of(connection.execute(select(JOBS).where(JOBS.c.id == job_id)).one_or_none())

    def page(self, states: Sequence[State] = (), text: str = "", before: str = "", count: int = 50) -> list[Job]:
        """The newest jobs, those whose id is before ``before``; ``text`` is in their request."""
        query = select(JOBS).order_by(JOBS.c.id.desc()).limit(count)
        if states:
            query = query.where(JOBS.c.state.in_(states))
        if text:
            query = query.where(JOBS.c.request.cast(JOBS.c.reason.type).contains(text, autoescape=True))
        if before:
            query = query.where(JOBS.c.id < before)
        with self.engine.connect() as connection:
            return [job for row in connection.execute(query) if (job := job_of(row))]

    def with_state(self, *states: State) -> list[Job]:
        """All in one of the states, in the order in which they are to be begun."""
        with self.engine.connect() as connection:
            found = connection.execute(select(JOBS).where(JOBS.c.state.in_(states)).order_by(*_ORDER))
            return [job for row in found if (job := job_of(row))]

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        with self.engine.connect() as connection:
            found = connection.execute(select(JOBS.c.state, func.count()).group_by(JOBS.c.state))
            return {state.value: 0 for state in State} | {row[0]: row[1] for row in found}

    def startable(self, free: Callable[[str], int]) -> list[Job]:
        """Those that may begin now: of each key the first, and only where none of that key runs. ``free`` says how many
        more a compute may have: those of one that is full wait, and hold up no others."""
        running = select(JOBS.c.key).where(JOBS.c.state == State.RUNNING)
        short = select(JOBS.c.id, JOBS.c.key, JOBS.c.compute)  # hundreds may wait
        waiting = short.where(JOBS.c.state == State.WAITING, JOBS.c.key.not_in(running))
        keys, chosen, places = set[str](), list[str](), dict[str, int]()
        with self.engine.connect() as connection:
            for job_id, key, compute in connection.execute(waiting.order_by(*_ORDER)):
                if key in keys:
                    continue
                keys.add(key)
                if compute not in places:
                    places[compute] = free(compute)
                if places[compute] > 0:
                    places[compute] -= 1
                    chosen.append(job_id)
            found = connection.execute(select(JOBS).where(JOBS.c.id.in_(chosen)).order_by(*_ORDER))
            return [job for row in found if (job := job_of(row))]

    def untold(self) -> list[Job]:
        """Those that are over, and of which nobody has been told yet."""
        wanted = and_(JOBS.c.told.is_(False), JOBS.c.state.in_(OVER))
        with self.engine.connect() as connection:
            return [job for row in connection.execute(select(JOBS).where(wanted)) if (job := job_of(row))]

    def told(self, job_id: str) -> None:
        """Those who want to know of it have been told."""
        with writing(self.engine) as connection:
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(told=True))

    def begin(self, job: Job) -> bool:
        """Take a waiting job; False where somebody else has, or it was cancelled."""
        changes = {"state": State.RUNNING, "started": _now(), "tries": job.tries + 1}
        return self._change(job.id, changes, State.WAITING)

    def wait_again(self, job: Job, *, begun: bool = True) -> bool:
        """Put a job back whose process is gone; its steps begin anew, what they have left is found. ``begun``: it
        counts as a try. RETRAIN_TIMEOUT counts anew: the service may have been away for days."""
        tries = job.tries if begun else job.tries - 1
        changes = {"state": State.WAITING, "steps": [], "tries": tries, "started": None}
        return self._change(job.id, changes, State.RUNNING)

    def end(self, job_id: str, state: State, reason: str = "") -> bool:
        """Close a job that is not over: the step that goes on ends, too."""
        with writing(self.engine) as connection:
            job = job_of(connection.execute(select(JOBS).where(JOBS.c.id == job_id)).one_or_none())
            if job is None or job.state in OVER:
                return False
            now = _now()
            steps = job.steps
            if job.step:
                failed = reason if state is State.FAILED else "" if state is State.SUCCEEDED else "cancelled"
                steps = (*steps[:-1], replace(job.step, ended=now, error=failed))
            changes: dict[str, Any] = {"state": state, "ended": now, "steps": list_of(steps)}
            if reason:
                changes["reason"] = reason
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(changes))
            return True

    def stop(self, job_id: str, why: str = BY_HAND) -> bool:
        """A waiting job is over; of a running one it is noted that it shall be. False where it is over already."""
        if self._change(job_id, {"state": State.CANCELLED, "ended": _now(), "reason": why}, State.WAITING):
            return True
        return self._change(job_id, {"stopping": why}, State.RUNNING)

    def end_stopped(self, job: Job) -> bool:
        """Close a job that was to be stopped."""
        return self.end(job.id, State.CANCELLED if job.stopping == BY_HAND else State.FAILED, job.stopping)

    def note(self, job_id: str, **changes: Any) -> None:
        """Write down what a running job has found out."""
        if changes:
            self._change(job_id, changes, State.RUNNING)

    def next_step(self, job_id: str, name: StepName) -> None:
        """The step that goes on ends, and ``name`` begins."""
        with writing(self.engine) as connection:
            job = job_of(connection.execute(select(JOBS).where(JOBS.c.id == job_id)).one())
            assert job is not None
            if job.step and job.step.name is name:  # it was written, and the answer of the database was lost
                return
            now = _now()
            before = (*job.steps[:-1], replace(job.step, ended=now)) if job.step else job.steps
            steps = list_of((*before, Step(name, now)))
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(steps=steps))

    def forget(self, days: int) -> list[str]:
        """Remove jobs that were over before so many days; their ids."""
        old = and_(JOBS.c.state.in_(OVER), JOBS.c.ended < _now() - timedelta(days=days))
        with writing(self.engine) as connection:
            found = [row[0] for row in connection.execute(select(JOBS.c.id).where(old))]
            for job in found:
                connection.execute(delete(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.job == job))
                connection.execute(delete(JOBS).where(JOBS.c.id == job))
        return found

    def _change(self, job_id: str, changes: dict[str, Any], state: State) -> bool:
        with writing(self.engine) as connection:
            wanted = and_(JOBS.c.id == job_id, JOBS.c.state == state)
            return bool(connection.execute(update(JOBS).where(wanted).values(changes)).rowcount)


def _stop_all(connection: Connection, key: str) -> None:
    """The jobs of a model that wait are over, those that run are to end."""
    own = JOBS.c.key == key
    over = {"state": State.CANCELLED, "ended": _now(), "reason": BY_HAND}
    connection.execute(update(JOBS).where(own, JOBS.c.state == State.WAITING).values(over))
    connection.execute(update(JOBS).where(own, JOBS.c.state == State.RUNNING).values(stopping=BY_HAND))


def _count(connection: Connection, state: State) -> int:
    return int(connection.execute(select(func.count()).where(JOBS.c.state == state)).scalar_one())


def _known(connection: Connection, same: Idempotency) -> Job | None:
    keys = IDEMPOTENCY_KEYS
    wanted = and_(keys.c.owner == same.owner, keys.c.key == same.key)
    found = connection.execute(select(keys.c.body, keys.c.job).where(wanted)).one_or_none()
    if found is None:
        return None
    if found.body != same.body:
        raise OtherBody
    return job_of(connection.execute(select(JOBS).where(JOBS.c.id == found.job)).one_or_none())


def _not_over(connection: Connection, key: str) -> str:
    wanted = and_(JOBS.c.key == key, JOBS.c.state.in_(NOT_OVER))
    return str(connection.execute(select(JOBS.c.id).where(wanted)).scalars().first() or "")


def _now() -> datetime:
    return datetime.now(UTC)
