"""A job as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from trainyard.host.retrain.jobs.job import Job, State, StepName


class StepView(BaseModel):
    """A step, with its times; ``ended`` is null while it goes on."""

    name: StepName
    started: datetime
    ended: datetime | None = None
    error: str = ""


class JobView(BaseModel):
    """A job. Times are UTC."""

    id: str
    url: str
    log: str = Field(description="URL of its log")
    state: State
    request: dict[str, Any] = Field(description="as it came, without credentials, with what it left out")
    trigger: str = Field(description="who asked")
    priority: int
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    tries: int = Field(description="how often its process was started")
    stopping: str = Field("", description="why it is being stopped")
    compute: str = Field("", description="where it trains; empty: on the machine of the service")
    commit: str = Field("", description="the full SHA")
    steps: list[StepView] = []
    run: str = Field("", description="the id of its run")
    version: str = Field("", description="<registered model>/<number>")
    promoted: bool | None = Field(None, description="whether the version became the champion")
    metrics: dict[str, float] = {}
    reason: str = Field("", description="why it was promoted or not, or why the job failed")
    champion: str = Field("", description="the version that was the champion before")
    champion_metrics: dict[str, float] = {}
    retry_of: str = ""
    links: dict[str, str] = Field({}, description="where the tracker shows the run and the version")


class JobPage(BaseModel):
    """Jobs, the newest first; ``next`` is the URL of those before them."""

    jobs: list[JobView]
    next: str | None = None


def view(job: Job, base: str) -> JobView:
    """``base``: the URL of the service."""
    url = f"{base}/jobs/{job.id}"
    steps = [StepView(name=one.name, started=one.started, ended=one.ended, error=one.error) for one in job.steps]
    facts = {name: getattr(job, name) for name in JobView.model_fields.keys() - {"url", "log", "steps"}}
    return JobView(url=url, log=f"{url}/log", steps=steps, **facts)
