"""make clean ALL=1: nothing of us is left on the machine. With RUNS=1 what was trained goes, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from trainyard.contract.model_files import COMPILED, files_named_by, is_of_model
from trainyard.contract.records import record_path
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.engine import Engine
from trainyard.host.engines.machine import machine_folder
from trainyard.host.experiments.run_files import FOLDER
from trainyard.host.experiments.tracking.tracker import FOLDER as TRACKED
from trainyard.host.monorepo.model_dir import ModelDir, read_model_dir
from trainyard.host.operations.prune import no_builds, shown
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.shared_folder import SharedFolder
from trainyard.host.verbs.track import track_stop

# At the top of a clone, beside .trainyard/ and .venv/: what installing, testing and linting leaves.
LEFT_BY_TOOLS = ("*.egg-info", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")
Place = tuple[SharedFolder, str]  # a folder, and the name of what is to be removed in it


def remove_all(session: Session, images: Iterable[str]) -> None:
    """Remove this clone's ``images``, what clones share and no other uses, of the engine of ENGINE or of every one that
    answers, and all that is in the clone beside its sources; the number of bytes is printed.

    Raises:
        TrainyardError: a build is under way; nothing is removed. Something could not be removed; all else is.
    """
    freed, failed = 0, list[str]()
    with no_builds(session, of_others=True):
        for engine in [session.engine] if session.settings.engine else session.engines():
            freed += _remove_images(session, engine, images, failed)
    if session.settings.clean_runs:
        track_stop(session, session.repository.root)
    places = [*(_trained(session) if session.settings.clean_runs else ()), *_folders(session)]
    freed += sum(_remove(session, place, failed) for place in places)
    session.reporter.step(f"{'To free' if session.commands.dry_run else 'Freed'}: {shown(freed)}")
    session.reporter.step("What images of other clones are built on stays, and so does a base image that was pulled")
    if not session.settings.clean_runs:
        session.reporter.step("runs/, mlruns/ and trained models stay: RUNS=1 removes them, too")
    if failed:
        raise TrainyardError(f"{failed[0]} ({len(failed)} in all)", "see above", EXIT_FAILED)


def _remove_images(session: Session, engine: Engine, images: Iterable[str], failed: list[str]) -> int:
    freed = 0
    if not session.commands.dry_run:
        engine.builder.remove_leftovers()
    for name, size in engine.images.removable(images).items():
        if session.commands.dry_run:
            console.result(f"remove {name} ({engine.name}, {shown(size)})")
        elif not engine.images.remove_unused(name):
            failed.append(f"{name}: {engine.name} did not remove it, since a container uses it")
            session.reporter.warn(failed[-1])
            continue
        freed += size
    return freed


def _folders(session: Session) -> Iterator[Place]:
    root = SharedFolder(session.repository.root)
    yield root, session.repository.state.name
    if (shared := machine_folder()) is not None:
        yield SharedFolder(shared.parent), shared.name
    for name in root.names():
        if any(PurePath(name).match(pattern) for pattern in LEFT_BY_TOOLS):
            yield root, name
    yield root, ".venv"  # which this program runs in


def _trained(session: Session) -> Iterator[Place]:
    """Runs, and the files of models; what else lies in models/ is not ours."""
    yield SharedFolder(session.repository.root), TRACKED
    for project in session.repository.projects():
        yield SharedFolder(project), FOLDER
    for path in session.repository.every_model_path():
        try:
            yield from _files(read_model_dir(path, session.repository.root))
        except TrainyardError as error:
            session.reporter.warn(f"{error}: the files of that model stay")


def _files(model: ModelDir) -> Iterator[Place]:
    models = SharedFolder(model.binary.parent)
    if not models.path.is_dir():
        return
    record = record_path(model.binary)
    recorded = {path.partition("/")[0] for path in files_named_by(record, links=False)}
    for name in models.names():
        if name in recorded or name == record.name or is_of_model(name, model.model_name):
            yield models, name
    yield models, f"{COMPILED}/{model.model_name}"


def _remove(session: Session, place: Place, failed: list[str]) -> int:
    """The bytes that were freed. Of a link, what it leads to stays."""
    folder, name = place
    path = folder.path / name
    if not folder.has(name):
        return 0
    try:
        size = folder.size(name)
        if session.commands.dry_run:
            console.result(f"rm -r {path}  # {shown(size)}")
            return size
        folder.remove(name)
    except OSError as error:
        failed.append(f"{path}: {error.strerror}")
        session.reporter.warn(failed[-1])
        return 0
    session.reporter.step(f"Removed {path} ({shown(size)})")
    return size
