"""make remove: a model and all that belongs to it. Its directory goes last, so that one can begin again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trainyard.contract.files import size_of
from trainyard.errors import TrainyardError
from trainyard.host.engines.engine import Engine
from trainyard.host.experiments.run_files import FOLDER
from trainyard.host.experiments.tracking.mlflow_format import registered_name
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import git
from trainyard.host.operations.dvc_notes import models_in
from trainyard.host.operations.packaging.code_archive import folder_of
from trainyard.host.operations.serve import container_name
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.model_places import Place
from trainyard.host.scaffold.moving import belongings, project_files
from trainyard.host.scaffold.moving.plans import Plan, Step
from trainyard.host.scaffold.moving.source_edits import Names, mentions
from trainyard.host.support.shared_folder import SharedFolder


def removal(session: Session, model: ModelDir, place: Place) -> Plan:
    """All that removing the model removes.

    Raises:
        TrainyardError: it is in use.
    """
    belongings.check_unused(session, model, str(place))
    plan = Plan()
    name = _name(session, model, plan)
    registered = registered_name(place.project, name) if name else ""
    plan.steps += image_steps(session, model)
    plan.steps += _registry(session, registered, plan)
    plan.steps += _runs(session, model, place)
    plan.steps += _files(session, model, name)
    packages = [path] if (path := folder_of(session, model)).is_dir() else []
    for path in [*belongings.state_of(session, model, registered), *packages]:
        plan.steps.append(Step("state", session.short(path), partial(remove_ours, path)))
    plan.steps += _texts(session, model, place, plan)
    plan.steps.append(_directory(session, model))
    names = Names(place, place, name, name)
    inside = f"projects/{place}/"
    plan.notes += [f"names it still: {line}" for line in mentions(session.repository.root, names, ())
                   if not line.startswith(inside)]  # fmt: skip
    plan.notes += [f"{image} holds it until it is built again" for image in belongings.merged_images(session, model)]
    plan.notes.append(f"projects/{place.project}/data/ stays")
    return plan


def _name(session: Session, model: ModelDir, plan: Plan) -> str:
    """Its MODEL_NAME; empty where it has none, or where another model has it, too: whose files are they?"""
    for variable, what in (("MODEL_NAME", "files in models/, no version"), ("CONTAINER_NAME", "images")):
        if not belongings.name_or_empty(model, variable):
            place = session.short(model.path / "Makefile")
            plan.notes.append(f"{place} has no usable {variable}: no {what} are looked for")
    name = belongings.name_or_empty(model, "MODEL_NAME")
    for clash in session.repository.clashes([model]):
        plan.notes.append(f"{session.short(clash.folder)} has the {clash.variable} {clash.mine.text}, too")
        name = "" if clash.variable == "MODEL_NAME" else name
    return name


def image_steps(session: Session, model: ModelDir) -> Iterator[Step]:
    for engine in session.engines():
        there = engine.images.built(belongings.images_of(model))
        for image in belongings.images_of(model):
            if image in there:
                yield Step("image", f"{image} ({engine.name})", partial(_remove_image, engine, image))


def _remove_image(engine: Engine, image: str) -> None:
    engine.runner.stop(container_name(image))  # what a server left behind when it crashed
    engine.images.remove(image)


def _registry(session: Session, registered: str, plan: Plan) -> Iterator[Step]:
    """A tracker that does not answer keeps nothing else from going."""
    try:
        registry = belongings.registry_of(session) if registered else None
        versions = registry.versions_of(registered) if registry else []
    except TrainyardError as error:
        plan.troubles.append(f"the registered model {registered} is not removed: {error}")
        return
    if registry and versions:
        what = f"{registered}, {len(versions)} version(s); what was uploaded of its runs stays in the tracker"
        yield Step("registered model", what, partial(registry.delete, registered))


def _runs(session: Session, model: ModelDir, place: Place) -> Iterator[Step]:
    runs = SharedFolder(model.project / FOLDER)
    for run in belongings.runs_of_model(session, model, str(place)):
        yield Step("run", run.id, partial(runs.remove, run.id), runs.size(run.id))


def _files(session: Session, model: ModelDir, name: str) -> Iterator[Step]:
    models = SharedFolder(model.project / "models")
    for entry in belongings.files_in_models(session, model):
        yield Step("model", session.short(models.path / entry), partial(models.remove, entry), models.size(entry))
    if name:
        yield from project_files.without_metrics(session, model.project, name)


def _texts(session: Session, model: ModelDir, place: Place, plan: Plan) -> Iterator[Step]:
    edits = project_files.without_member(session, model, place, plan)
    others = models_in(session.repository, model.project, without=model.path)
    edits |= project_files.pipelines(session, plan, {model.project: others})
    plan.diff = project_files.diff(session, edits)
    for path, text in edits.items():
        yield Step("edit" if text else "file", session.short(path), partial(project_files.write, path, text))


def _directory(session: Session, model: ModelDir) -> Step:
    files = sum(len(names) for _, _, names in os.walk(model.path))
    changed = _uncommitted(session, model.path)
    lost = f", {changed} not committed" if changed else ""
    what = f"{session.short(model.path)} ({files} files{lost})"
    return Step("directory", what, partial(_remove_whole, session, model.path), size_of(model.path), final=True)


def _uncommitted(session: Session, path: Path) -> int:
    """Files that git could not bring back; 0 where there is no git to ask."""
    try:
        listed = git(session.repository.root, "status", "--porcelain", "--untracked-files=all", "--", str(path))
    except TrainyardError:
        return 0
    return len(listed.splitlines())


def _remove_whole(session: Session, path: Path) -> None:
    """Out of sight in one step: half a directory would be half a model."""
    aside = session.repository.state / "removed" / f"{path.name}-{secrets.token_hex(4)}"
    aside.parent.mkdir(parents=True, exist_ok=True)
    path.rename(aside)
    shutil.rmtree(aside.parent)


def remove_ours(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
