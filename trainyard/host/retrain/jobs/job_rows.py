"""Jobs as rows of the table, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from trainyard.host.retrain.jobs.job import Job, State, Step, StepName

_FIELDS = tuple(field.name for field in fields(Job))


def row_of(job: Job) -> dict[str, Any]:
    row = {name: getattr(job, name) for name in _FIELDS}
    return row | {"steps": list_of(job.steps)}


def list_of(steps: Sequence[Step]) -> list[list[Any]]:
    return [
        [step.name, step.started.isoformat(), step.ended.isoformat() if step.ended else None, step.error]
        for step in steps
    ]


def job_of(row: Row[Any] | None) -> Job | None:
    if row is None:
        return None
    values = dict(row._mapping)
    steps = tuple(
        Step(
            StepName(name), datetime.fromisoformat(started), datetime.fromisoformat(ended) if ended else None, error
        )
        for name, started, ended, error in values["steps"]
    )  # fmt: skip
    return Job(**values | {"state": State(values["state"]), "steps": steps})
