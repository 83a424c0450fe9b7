"""What belongs to a model, wherever it lies: files in ``models/``, runs, images, what commands left, uses of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trainyard.contract.model_files import COMPILED, declared_files, files_named_by, is_of_model
from trainyard.contract.records import record_path
from trainyard.errors import TrainyardError
from trainyard.host.experiments.registry.versions import Registry
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.tracking.tracker import FOLDER as TRACKED
from trainyard.host.experiments.tracking.tracker import chosen_tracker
from trainyard.host.monorepo.model_dir import ROLES, ModelDir, read_variables
from trainyard.host.monorepo.repository import all_members
from trainyard.host.operations.build import all_image
from trainyard.host.operations.serve import container_name
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import open_registry
from trainyard.host.support.shared_folder import SharedFolder


def name_or_empty(model: ModelDir, variable: str) -> str:
    """The value of a variable of its Makefile; empty where there is none that can be a name."""
    with contextlib.suppress(TrainyardError):
        return model.container_name if variable == "CONTAINER_NAME" else model.model_name
    return ""


def images_of(model: ModelDir) -> list[str]:
    """The names of its images, whether or not they are there."""
    name = name_or_empty(model, "CONTAINER_NAME")
    return [f"{name}-{role}" for role in ROLES] if name else []


def files_in_models(session: Session, model: ModelDir) -> list[str]:
    """The names of files and folders in ``models/`` that are of this model and of no other of its project."""
    name, folder = name_or_empty(model, "MODEL_NAME"), SharedFolder(model.project / "models")
    if not name or not folder.path.is_dir():
        return []
    own, record = set[str](), record_path(folder.path / f"{name}.pkl")
    with contextlib.suppress(TrainyardError):
        own |= {*declared_files(model.environment)}
    own |= {path.partition("/")[0] for path in files_named_by(record, links=False)} | {record.name}
    others = [*_names_beside(session, model)]
    if name in others:  # nobody knows whose they are
        return []
    found = [
        entry for entry in folder.names()
        if (entry in own or is_of_model(entry, name)) and not any(_is_rather_of(entry, other, name) for other in others)
    ]  # fmt: skip
    return found + ([f"{COMPILED}/{name}"] if folder.has(f"{COMPILED}/{name}") else [])


def _names_beside(session: Session, model: ModelDir) -> Iterator[str]:
    for path in session.repository.model_paths(model.project):
        with contextlib.suppress(TrainyardError):
            variables = read_variables(path / "Makefile")
            if path != model.path and "MODEL_NAME" in variables:
                yield variables["MODEL_NAME"].text


def _is_rather_of(entry: str, other: str, name: str) -> bool:
    """A longer name that fits is the right one: price_2.pkl is of price_2, and not of price."""
    return len(other) > len(name) and (is_of_model(entry, other) or entry == f"{other}.json")


def runs_of_model(session: Session, model: ModelDir, name: str) -> list[Run]:
    """Its runs, the oldest first. Those that cannot be read are nobody's."""
    return [run for run in runs_of([model.project], session.reporter) if isinstance(run, Run) and run.model == name]


def state_of(session: Session, model: ModelDir, registered: str) -> list[Path]:
    """What commands have left of it below .trainyard/, beside images."""
    state, found = session.repository.state, list[Path]()
    for image in images_of(model):
        container = container_name(image)
        found += [state / "sbom" / f"{image.replace('/', '%')}.cdx.json"]
        found += [state / "served" / container, state / "served" / f"{container}.log"]
    if registered:
        found += [state / "registry" / registered, state / "locks" / f"champion-{registered}"]
    return [path for path in found if path.exists()]


def check_unused(session: Session, model: ModelDir, name: str) -> None:
    """Raises:
    TrainyardError: a server has it, or a training of it runs."""
    mine = [(image, f"make stop MODEL={name}") for image in images_of(model)]
    for engine in session.engines():
        for image, stop in [*mine, *_merged_with(session, model)]:
            if engine.runner.alive(container_name(image)):
                raise TrainyardError(f"{name} is in use by {container_name(image)} ({engine.name})", f"first: {stop}")
    for run in runs_of_model(session, model, name):
        if run.status == "running":
            raise TrainyardError(f"{name} is in use by run {run.id}, which goes on", "wait for it, or stop it")


def _merged_with(session: Session, model: ModelDir) -> Iterator[tuple[str, str]]:
    """The images of all/ folders that merge the model, each with the command that stops its server."""
    for folder in session.repository.all_folders():
        with contextlib.suppress(TrainyardError):
            if model.path in all_members(folder, session.repository):
                yield all_image(session, folder), f"make -C {session.short(folder)} stop"


def merged_images(session: Session, model: ModelDir) -> list[str]:
    """The names of the merged images that are there and hold it."""
    images = [image for image, _ in _merged_with(session, model)]
    return sorted({image for engine in session.engines() for image in engine.images.built(images)})


def registry_of(session: Session) -> Registry | None:
    """The registry, where there may be one: a tracker is set, or make track has left its database.

    Raises:
        TrainyardError: it cannot be asked.
    """
    root, settings = session.repository.root, session.experiments
    own = (root / TRACKED / "mlflow.db").is_file()
    return open_registry(session) if chosen_tracker(settings, root) or settings.track_database or own else None
