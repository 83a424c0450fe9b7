"""Train a run again: the same commit, data, parameters, lock and engine; then compare what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainyard.contract import run_folder
from trainyard.contract.champion_rule import REGISTERED_AS
from trainyard.errors import ENDED_BY_SIGNAL, EXIT_FAILED, EXIT_INTERRUPTED, TrainyardError
from trainyard.host.engines.base import BuildPlan
from trainyard.host.experiments.reproduction import Reproduction, Side, compared
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tracking.mlflow_format import registered_name
from trainyard.host.experiments.training import Training, carry_out, start_run
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.base_model import BaseModel, begun_from, earlier_base_model
from trainyard.host.operations.build import plan_model
from trainyard.host.operations.reproducing.hindrances import engine_of, hindrances
from trainyard.host.operations.reproducing.run_data import FoundData, find_data, look_for_data, store_names
from trainyard.host.operations.reproducing.trained_run import TrainedRun, read_trained_run
from trainyard.host.operations.reproducing.work_trees import FOLDER, remove_leftovers, work_tree
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import training_of
from trainyard.host.operations.training_data import TrainingData
from trainyard.host.requirements.gone_packages import gone_packages


def reasons_against(session: Session, run: Run) -> list[TrainyardError]:
    """Why a run cannot be trained again, as far as that is known without the network and without a work tree."""
    try:
        trained = read_trained_run(session, run)
    except TrainyardError as error:
        return [error]
    return [*hindrances(session, trained), *look_for_data(session, trained)]


def stores_of(session: Session, run: Run) -> list[str]:
    """The data stores that have to have the data of a run still; nobody asks them here."""
    try:
        return store_names(read_trained_run(session, run))
    except TrainyardError:
        return []


def reproduce(session: Session, run: Run) -> Reproduction | None:
    """Train a run again, in a work tree of its commit that is removed afterwards; None in a dry run.

    Raises:
        TrainyardError: something that it needs is gone, which is said before anything is built; or the training fails.
    """
    trained = read_trained_run(session, run)
    if trained.run != run:
        session.reporter.step(f"{run.id} is a tuning: its final training is {trained.run.id}")
    remove_leftovers(session)
    problems = hindrances(session, trained)
    lock = trained.lock(session.repository.root)
    if problems or lock is None or session.commands.dry_run:
        _refuse(session, trained, [*problems, *look_for_data(session, trained)])
        _show(session, trained)
        return None
    engine, base = engine_of(session, trained), earlier_base_model(session, trained.run)
    with work_tree(session, trained.commit, trained.name, engine, {"train": lock}) as there:
        model = there.repository.model(there.repository.root / trained.place)
        plan = plan_model(model, "train", there.resolver.model_lock(model, "train"), bake=False)
        data = find_data(session, trained, model.project)
        _refuse(session, trained, [*data.problems, *_gone_packages(there, plan)])
        return _train_again(there, trained, Prepared(model, plan, data, base))


@dataclass(frozen=True)
class Prepared:
    """The model as it was, how its image is built, its data, and what it began from."""

    model: ModelDir
    plan: BuildPlan
    data: FoundData
    base: BaseModel | None = None


def _refuse(session: Session, trained: TrainedRun, problems: Sequence[TrainyardError]) -> None:
    """Raises:
    TrainyardError: there are problems; each is one line."""
    if not problems:
        return
    what = f"run {trained.run.id} cannot be trained again"
    if len(problems) == 1:
        raise TrainyardError(f"{what}, because {problems[0].message}", problems[0].hint)
    for problem in problems:
        session.reporter.warn(str(problem))
    raise TrainyardError(f"{what}: {len(problems)} things stand in the way", "see above")


def _gone_packages(session: Session, plan: BuildPlan) -> list[TrainyardError]:
    """What the index no longer has of a lock that is not installed; an index that does not answer is a warning."""
    if session.settings.cache_registry or session.engine.builder.has_dependencies(plan):
        return []
    beside = {package.hash for package in plan.local_packages}
    try:
        with session.reporter.waiting("Asking the index for the packages of the lock ..."):
            compiler, target = session.resolver.compiler, session.engine.builder.target()
            gone = gone_packages(plan.lock, compiler, target, beside)
    except TrainyardError as error:
        session.reporter.warn(f"nobody knows whether the packages of the lock can still be had: {error}")
        return []
    if not gone:
        return []
    fix = "put a wheel of each into a folder, and say WHEELHOUSE=<folder>, or INDEX_URL=<an index that has them>"
    return [TrainyardError(f"the index no longer has what its lock names: {', '.join(gone)}", fix)]


def _train_again(session: Session, trained: TrainedRun, prepared: Prepared) -> Reproduction:
    """Without tracker, version and champion: nobody but the caller hears of it."""
    data = prepared.data
    training = training_of(session, prepared.model, TrainingData(trained.payload, tags=data.tags))
    mount, held = data.mount()
    others = (one for one in training.mounts if one.what != mount.what)
    name = registered_name(prepared.model.project.name, training.model_name)
    environment = {**training.environment, REGISTERED_AS: name}
    again = replace(training, mounts=(mount, *others), environment=environment, keep_model=False, data=held)
    if prepared.base:
        again = begun_from(session, again, prepared.base)
    run = _carried_out(session, again, trained)
    identity = session.engine.builder.identity(
        replace(prepared.plan, image=trained.run.tags.get("image", prepared.plan.image))
    )
    record = run.files.read_json(run_folder.RECORD)
    before = Side(trained.run, trained.record, trained.run.tags.get("image_identity", ""))
    return compared(before, Side(run, record, identity))


def _carried_out(session: Session, training: Training, trained: TrainedRun) -> Run:
    run = start_run(training)
    run, status = carry_out(training, run, session.engine.runner, session.repository, session.reporter)
    if status in ENDED_BY_SIGNAL:
        raise TrainyardError("interrupted", "", EXIT_INTERRUPTED)
    if run.status != "finished":
        what = f"run {trained.run.id} was trained again, and failed: {run.error}"
        raise TrainyardError(what, "see what it printed above", EXIT_FAILED)
    return run


def _show(session: Session, trained: TrainedRun) -> None:
    """What a dry run says, beside what stands in the way."""
    folder = session.repository.state / FOLDER / trained.name
    would, tags = session.reporter.would, trained.run.tags
    would(shlex.join(["git", "worktree", "add", "--detach", str(folder), trained.commit]))
    would(f"build the train image of {trained.place} there, with the lock {tags.get('lock', '')[:12]}")
    would(f"train with {engine_of(session, trained)} on {trained.payload.get('$ref') or 'no dataset'}, and compare")
    would(shlex.join(["git", "worktree", "remove", "--force", str(folder)]))
