"""Which folders of the host a container sees."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainyard.contract.model_files import BINARY, declared_files, files_named_by
from trainyard.contract.records import LINKED, record_path
from trainyard.contract.routes import Route
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.repository import all_members
from trainyard.host.operations.session import Session


def models_folder(session: Session, project: Path) -> Path:
    """The project's models/, made by us: an engine would make it for root alone."""
    folder = project / "models"
    if session.commands.dry_run:
        return folder
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise TrainyardError(f"{folder}: not a folder", "move it away: binaries go to a folder of that name") from None
    except OSError as error:
        raise TrainyardError(
            f"{folder}: cannot be made ({error.strerror})", "check the project's permissions"
        ) from None
    return folder


def all_mounts(session: Session, folder: Path, image: str) -> tuple[tuple[Mount, ...], list[Route]]:
    """The mounts and the routes of an ``all`` container.

    Models of one project: its models/. Models of several: a folder of links, one for each binary and record, into the
    mounted models/ of their projects, so that a binary that is trained later appears by itself; and one for each other
    file or folder that a record names now, or MODEL_FILES declares.
    """
    models = [session.repository.model(path) for path in all_members(folder, session.repository)]
    routes = [route for model in models for route in model.routes]
    projects = sorted({model.project for model in models})
    if len(projects) == 1:
        return (Mount("models", models_folder(session, projects[0]), read_only=True),), routes
    links = session.repository.state / "links" / f"{session.engine.name}-{image.replace('/', '%')}"
    if not session.commands.dry_run:
        _make_links(links, models)
    nested = [
        Mount("models of one project", models_folder(session, each), read_only=True, project=each.name)
        for each in projects
    ]
    return (Mount("models", links, read_only=True), *nested), routes


def _make_links(folder: Path, models: list[ModelDir]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for model in models:
        (folder / LINKED / model.project.name).mkdir(parents=True, exist_ok=True)
        for name in _linked(model):
            (folder / name).symlink_to(Path(LINKED) / model.project.name / name)


def _linked(model: ModelDir) -> set[str]:
    names = {f"{model.model_name}{BINARY}", f"{model.model_name}.json", *declared_files(model.environment)}
    record = record_path(model.binary)
    return names | {record.name} | {path.partition("/")[0] for path in files_named_by(record, links=False)}
