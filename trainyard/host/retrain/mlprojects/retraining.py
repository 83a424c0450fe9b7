"""A request for a folder with an MLproject, from its words to the verdict: what a job of the service calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from trainyard.contract import base_models
from trainyard.errors import TrainyardError
from trainyard.host.operations.base_model import mlflow_run_of
from trainyard.host.operations.live_upload import tracker_of
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.job import ProjectJob, ProjectLimits, ProjectRun
from trainyard.host.retrain.mlprojects.parameters import values_for
from trainyard.host.retrain.mlprojects.project_file import read_project
from trainyard.host.retrain.mlprojects.running import check_allowed, run_project


def retrain_project(
    session: Session,
    folder: Path,
    request: RetrainRequest,
    name: str,
    limits: ProjectLimits,
    *,
    tags: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
    on_run: Callable[[str], None] = lambda _: None,
) -> ProjectRun:
    """Run the project in ``folder`` as ``request`` asks.

    Args:
        session: of the service's monorepo: its tracker, its registry, its folder of state, its reporter.
        folder: the project, at the commit that was asked for; it is copied.
        request: what was asked for.
        name: of the job.
        limits: as of ``run_project``.
        tags: of the run, such as ``mlflow.source.git.commit``.
        given: variables of its process, as of ``ProjectJob``.
        on_run: is given the id of the run in MLflow.

    Raises:
        TrainyardError: no tracker runs, the MLproject or a parameter is refused, the base model is not there; or as
            ``run_project``.
    """
    project = read_project(folder)
    tracker = tracker_of(session)
    if tracker is None:
        raise TrainyardError("a project of MLflow Projects logs to a server, and none runs", "make track DETACH=1")
    base = mlflow_run_of(session, request.base_model) if request.base_model else ""
    values = values_for(project, request, base)
    more = {base_models.TAG: request.base_model} if request.base_model else {}
    experiment = request.experiment_name or project.name
    job = ProjectJob(name, project, values, experiment, {**more, **(tags or {})}, given or {})
    check_allowed(job, limits)
    return run_project(
        job, tracker, limits, session.repository.state / "retrain", session.reporter,
        tracking_seconds=session.experiments.tracking_timeout, on_run=on_run,
    )  # fmt: skip
