"""Images pushed to a registry, by digest, and tagged by the commit that they are of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.compute.compute_file import FILE, read_computes
from trainyard.host.monorepo.model_dir import ROLES, ModelDir, Role
from trainyard.host.monorepo.repository import all_members
from trainyard.host.monorepo.revision import DIRTY
from trainyard.host.network.registries import check_registry
from trainyard.host.operations.affected_models import affected_by
from trainyard.host.operations.build import LABEL_REVISION
from trainyard.host.operations.image_to_run import ImageToRun, image_to_run, merged_image_to_run
from trainyard.host.operations.session import Session

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_COMMIT = re.compile(f"([0-9a-f]{{12}})[0-9a-f]*({DIRTY})?")


@dataclass(frozen=True)
class Pushed:
    """An image as the registry calls it, by digest; or why it is not there."""

    image: str
    reference: str = ""
    tag: str = ""
    error: str = ""


@dataclass(frozen=True)
class _Wanted:
    """An image to push; ``provide`` builds it first, where that is needed, and ``models`` gives what is in it."""

    name: str
    provide: Callable[[], ImageToRun]
    models: Callable[[], list[ModelDir]]


def registry_of(session: Session, given: str) -> str:
    """The registry to push to: ``given``, or that of the compute COMPUTE.

    Raises:
        TrainyardError: there is none, or both are given.
    """
    name = session.computing.compute
    if name and given:
        raise TrainyardError(f"REGISTRY={given} and COMPUTE={name}: two registries may be meant", "say one of them")
    if not name and not given:
        raise TrainyardError(
            "where to? REGISTRY is missing", f"say REGISTRY=<host:port/path>, or COMPUTE=<name in {FILE}>"
        )
    try:
        check_registry(given)
    except ValueError as error:
        raise TrainyardError(f"REGISTRY={given}: {error}", "as in REGISTRY=registry.example.org/team") from None
    if name and not (given := read_computes(session.repository.root).find(name).registry):
        raise TrainyardError(
            f"{FILE}: {name} has no registry", "add registry: <host:port/path> to it, or say REGISTRY="
        )
    return given


def check_tag(tag: str) -> None:
    """Raises:
    TrainyardError: it is none that an image can have."""
    if tag and not _TAG.fullmatch(tag):
        fix = "at most 128 letters, digits, dots, dashes and underscores; a letter, digit or underscore first"
        raise TrainyardError(f"TAG={tag}: not a tag of an image", fix)


def push(
    session: Session, registry: str, tag: str, models: Iterable[Path], folders: Iterable[Path]
) -> Iterator[Pushed]:
    """Push the images of model directories and of ``all/`` folders, with SINCE those that changed; each as it comes.
    Without a ``tag`` an image is tagged by its commit. One that is missing or stale is built first; one that cannot be
    pushed keeps nothing from the others.

    Raises:
        TrainyardError: the engine has no images for others, or git does not know SINCE; nothing was pushed.
    """
    models, folders = _changed(session, models, folders)
    wanted = [_of_model(session, path, role) for path in models for role in ROLES]
    wanted += [_of_all(session, folder) for folder in folders]
    if wanted:
        session.engine.images.exported(wanted[0].name, "")
    return (_pushed(session, registry, tag, one) for one in wanted)


def _changed(session: Session, models: Iterable[Path], folders: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    models, folders = list(models), list(folders)
    if not (since := session.settings.since):
        return models, folders
    found = affected_by(session, session.repository.changed_paths(since))
    root = session.repository.root
    return (
        [path for path in models if f"{path.parent.name}/{path.name}" in found.models],
        [path for path in folders if str(path.relative_to(root)) in found.merged],
    )


def _of_model(session: Session, path: Path, role: Role) -> _Wanted:
    return _Wanted(
        f"{path.parent.name}/{path.name} ({role})",
        lambda: image_to_run(session, session.repository.model(path), role),
        lambda: [session.repository.model(path)],
    )


def _of_all(session: Session, folder: Path) -> _Wanted:
    repository = session.repository
    return _Wanted(
        session.short(folder),
        lambda: merged_image_to_run(session, folder),
        lambda: [repository.model(path) for path in all_members(folder, repository)],
    )


def _pushed(session: Session, registry: str, tag: str, wanted: _Wanted) -> Pushed:
    name = wanted.name
    try:
        image = wanted.provide()
        name = image.name
        tag = tag or _tag(session, image, wanted.models())
        exported = session.engine.images.exported(image.name, image.id or image.name)
        return Pushed(name, exported.push(registry, tag), tag)
    except (TrainyardError, OSError) as error:
        session.reporter.warn(f"{name} was not pushed: {error}")
        return Pushed(name, error=str(error))


def _tag(session: Session, image: ImageToRun, models: Iterable[ModelDir]) -> str:
    """That of the work tree only where the image is of its sources; else of what it says itself, if it says so."""
    commit = session.repository.commit(models) if image.found is None or image.sources == "same" else ""
    if image.found and not commit:
        commit = image.found.labels.get(LABEL_REVISION, "")
    found = _COMMIT.fullmatch(commit)
    return f"{found[1]}{found[2] or ''}" if found else ""
