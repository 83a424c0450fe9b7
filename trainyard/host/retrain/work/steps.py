"""The steps of a job, which call the functions that the verbs of make call."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trainyard.contract.champion_rule import PROMOTED
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.run_files import FOLDER as RUNS
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.training import OWN, TRACKING, Training
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.base_model import with_base_model
from trainyard.host.operations.champion_contest import register
from trainyard.host.operations.live_upload import tracker_of, uploader_to
from trainyard.host.operations.own_tracking import with_own_tracking
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import trained, training_of, training_payload
from trainyard.host.operations.training_data import data_of
from trainyard.host.operations.uploads import open_registry
from trainyard.host.operations.version_names import name_of
from trainyard.host.retrain.jobs.job import StepName
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.job import ProjectLimits
from trainyard.host.retrain.mlprojects.project_file import is_project
from trainyard.host.retrain.mlprojects.retraining import retrain_project
from trainyard.host.retrain.sources.own_data import add_own_data
from trainyard.host.retrain.work.job_computes import left_on_compute, use_own_computes
from trainyard.host.retrain.work.job_data import dataset_of, use_own_stores
from trainyard.host.retrain.work.job_session import session_in
from trainyard.host.retrain.work.locating import locate
from trainyard.settings.retrain import RetrainSettings

Note = Callable[..., None]  # writes down what was found out of a job
Step = Callable[[StepName], None]  # the one before is over


@dataclass(frozen=True)
class Task:
    """What is to be done: ``own`` says that it is the service's own monorepo, ``root`` is its checkout; ``compute`` is
    where it trains."""

    job_id: str
    request: RetrainRequest
    root: Path
    own: bool
    compute: str = ""


def carry_out_steps(session: Session, task: Task, step: Step, note: Note) -> Run | None:
    """From a checkout to a version of the registry; None where the folder is one of MLflow Projects, which registers by
    itself.

    Raises:
        TrainyardError: a step failed, and why.
    """
    step(StepName.LOCATE)
    tags = {"job": task.job_id, "experiment": task.request.experiment_name}
    there = session_in(
        session, task.root, task.job_id, {name: text for name, text in tags.items() if text}, task.compute
    )
    folder = locate(there.repository, task.request.location)
    if is_project(folder):
        step(StepName.TRAIN)
        _run_project(session, task, folder, note)
        return None
    return _train_model(session, there, task, there.repository.model(folder), step, note)


def _run_project(session: Session, task: Task, folder: Path, note: Note) -> None:
    if task.request.deploy:
        raise TrainyardError(
            f"{task.request.location} is an MLproject: no server of ours serves it", "leave out deploy"
        )
    if task.request.compute:
        raise TrainyardError(f"{task.request.location} is an MLproject: it trains on this machine", "leave out compute")
    note(compute="")
    settings, own = session.settings, RetrainSettings.read()
    cores = float(settings.train_cpus or 0)
    limits = ProjectLimits.of(own, settings.train_memory, cores, own.disk_mb)
    tags = {"trainyard.job": task.job_id}
    found = retrain_project(
        session, folder, task.request, task.job_id, limits, tags=tags, on_run=lambda run: note(run=run)
    )
    note(run=found.run, metrics=_numbers(found.metrics))
    note(version=found.version, promoted=found.promoted, reason=found.reason)


def _train_model(
    session: Session, there: Session, task: Task, model: ModelDir, step: Step, note: Note
) -> Run:  # fmt: skip
    own_project = session.repository.root / "projects" / model.project.name
    if task.own:
        add_own_data(own_project, model.project)
    step(StepName.BUILD)
    training = _training(there, model, task.request)
    if task.request.base_model:  # of the runs and the registry of the service
        given = replace(there.experiments, base_model=task.request.base_model)
        training = with_base_model(replace(session, given=given), training)
    step(StepName.TRAIN)
    run = _trained_before(there, [model.project, own_project], task.job_id)
    run = run or trained(there, training, left_on_compute(there, model.project, task.job_id))
    note(run=run.id, metrics=_numbers(run.metrics))
    step(StepName.REGISTER)
    try:
        note(**_champion_before(there, name_of(model, run.model_name), run.id))
        run = register(there, training, run)
    except TrainyardError as error:
        if not task.own:
            raise
        _keep(run, own_project)  # hours of training are not lost
        raise TrainyardError(
            f"{error}; the run is kept", f"make promote MODEL={model.name} ID={run.id} registers it", EXIT_FAILED
        ) from None
    version = f"{name_of(model, run.model_name)}/{run.tags['version']}"
    promoted, reason = run.tags[PROMOTED] == "true", run.tags["reason"]
    note(version=version, promoted=promoted, reason=reason, links=_links(there, run, version))
    if task.own:
        _keep(run, own_project)
    return run


def _training(there: Session, model: ModelDir, request: RetrainRequest) -> Training:
    """Its image is built, its data is fetched."""
    payload = training_payload(there, model)
    use_own_stores(there.repository.state.parent, there.repository.root)
    use_own_computes(there.repository.state.parent, there.repository.root)
    payload |= dataset_of(model, there.repository.root, request.dataset_uri, RetrainSettings.read())
    if request.params:
        payload = {**payload, "params": {**payload.get("params", {}), **request.params}}
    own = read_config(model.path)
    if own.tracking == OWN:  # it registers by itself what it has trained
        raise TrainyardError(
            f"{model.name} tracks by itself ({TRACKING}: {OWN}), and a job registers what it has trained",
            f"remove {TRACKING} from config.yaml, or give the job a folder with an MLproject", EXIT_FAILED,
        )  # fmt: skip
    training = with_own_tracking(there, training_of(there, model, data_of(there, model, payload)))
    return replace(training, offline=not own.retrain.network)


def _trained_before(there: Session, projects: list[Path], job_id: str) -> Run | None:
    """The run of a process that was killed after its training: the job does not train twice."""
    for run in runs_of(projects, there.reporter):
        if isinstance(run, Run) and run.tags.get("job") == job_id and run.status == "finished":
            there.reporter.step(f"Run {run.id} has finished already")
            return run
    return None


def _champion_before(there: Session, name: str, run_id: str) -> dict[str, Any]:
    """The version that is the champion now, and its metrics, for whoever is told of the job. Where a process of the job
    that was killed has promoted its version already, the one before that."""
    registry = open_registry(there)
    champion = registry.find_version(name)
    if champion and champion.run_id == run_id:
        champion = registry.previous_champion(name)
    if champion is None:
        return {}
    return {"champion": f"{name}/{champion.number}", "champion_metrics": _numbers(registry.logged_metrics(champion))}


def _links(there: Session, run: Run, version: str) -> dict[str, str]:
    """Where people see them."""
    tracker = tracker_of(there)
    if tracker is None or tracker.artifacts:
        return {}
    name, _, number = version.rpartition("/")
    place = f"{tracker.shown}/#/models/{quote(name)}/versions/{number}"
    return {"run": uploader_to(there, tracker).page(run), "version": place}


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """JSON has no NaN and no infinity."""
    return {name: value for name, value in metrics.items() if value == value and abs(value) != float("inf")}


def _keep(run: Run, project: Path) -> None:
    """The run moves to the runs of the monorepo, where make runs finds it."""
    target = project / RUNS / run.id
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            _move(run.folder, target)
    except OSError as error:
        raise TrainyardError(
            f"{error.filename}: {error.strerror}", "check permissions and space", EXIT_FAILED
        ) from None


def _move(folder: Path, target: Path) -> None:
    """At once, so that a kill leaves the run in one of both places, whole; also to another file system."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.parent / ".arriving" / target.name  # where no run is looked for
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part, symlinks=True)
        part.rename(target)
        shutil.rmtree(folder)
