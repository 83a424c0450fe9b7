"""An import is written to a folder of its own, and moved in place when it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import STATE
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Planned, Unit

MARKER = "trainyard.toml"  # makes the stage a monorepo that can be checked


@contextlib.contextmanager
def stage_beside(root: Path, *, dry_run: bool) -> Iterator[Path]:
    """A folder on the disk of the monorepo, so that what is in it can be renamed; elsewhere where nothing may be
    written there. It is gone afterwards, whatever happens."""
    state = root / STATE
    there = state.exists()
    if not dry_run:
        state.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="import-", dir=None if dry_run else state) as name:
            yield Path(name)
    finally:
        if not there:
            with contextlib.suppress(OSError):  # others may have put something there
                state.rmdir()


def write_units(stage: Path, tree: SourceTree, units: Iterable[Unit], root: Path) -> None:
    """Write what is planned. What lies outside of a unit's folder, and is in the monorepo already, is equal there."""
    (stage / MARKER).touch()
    for unit in units:
        for path, planned in unit.files.items():
            shared = not path.is_relative_to(unit.folder)  # by several units, perhaps
            if not shared or not ((root / path).exists() or (stage / path).exists()):
                write(stage / path, planned, tree)
        for folder in ("data", "models"):
            project = stage.joinpath(*unit.folder.parts[:2])
            if not (root / project.relative_to(stage) / folder).exists():
                (project / folder).mkdir(parents=True, exist_ok=True)
                if not any((project / folder).iterdir()):
                    (project / folder / ".gitkeep").touch()


def write(path: Path, planned: Planned, tree: SourceTree) -> None:
    """Write one file, which has no other permissions than whether it can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    executable = planned.executable or (planned.source is not None and tree.is_executable(planned.source))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o777 if executable else 0o666), "wb") as target:
        if planned.content is not None:
            target.write(planned.content)
        elif planned.source is not None:
            with os.fdopen(tree.open(planned.source), "rb") as source:
                shutil.copyfileobj(source, target)


def move_in_place(stage: Path, root: Path) -> None:
    """Rename each folder and file that is new, the topmost of them, to where it belongs: all, or none.

    Raises:
        TrainyardError: something has come to be where it belongs.
    """
    moved: list[tuple[Path, Path]] = []
    (stage / MARKER).unlink()
    shutil.rmtree(stage / STATE, ignore_errors=True)  # what checking left
    try:
        for path in _topmost(stage, root):
            source, target = stage / path, root / path
            if target.exists() or target.is_symlink():
                raise TrainyardError(f"{target}: is there meanwhile", "import again", EXIT_FAILED)
            moved.append((source, target))
            _rename(source, target)
    except BaseException:  # Ctrl-C, too
        for source, target in reversed(moved):
            if not source.exists() and target.exists():
                target.rename(source)
        raise


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise TrainyardError(
            f"{target}: is on another disk than {STATE}/", f"put {STATE}/ on the disk of the monorepo", EXIT_FAILED
        ) from None


def _topmost(stage: Path, root: Path) -> list[PurePosixPath]:
    """The new paths of the stage that lie in no other new one."""
    found: list[PurePosixPath] = []
    waiting = [PurePosixPath()]
    while waiting:
        folder = waiting.pop()
        for entry in sorted((stage / folder).iterdir()):
            path = PurePosixPath(entry.relative_to(stage))
            if entry.is_dir() and (root / path).is_dir():
                waiting.append(path)
            else:
                found.append(path)
    return found
