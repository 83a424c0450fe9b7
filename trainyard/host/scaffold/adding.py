"""New files beside what a folder has already. None of that is changed; on a failure what was added goes again."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError


@dataclass
class Added:
    """Paths below the folder: what is not there yet, and what has another content. Equal files are neither."""

    written: list[PurePosixPath] = field(default_factory=list)
    in_the_way: list[PurePosixPath] = field(default_factory=list)


def plan(rendered: Path, target: Path) -> Added:
    """What adding the files of ``rendered`` to ``target`` would do; whoever stands where a folder belongs is in the
    way, too."""
    added = Added()
    for path in sorted(file for file in rendered.rglob("*") if not file.is_dir()):
        name = PurePosixPath(path.relative_to(rendered))
        own = target / name
        blocked = next((part for part in own.parents if part.is_relative_to(target) and _is_no_folder(part)), None)
        if blocked:
            added.in_the_way.append(PurePosixPath(blocked.relative_to(target)))
        elif not own.exists() and not own.is_symlink():
            added.written.append(name)
        elif not (own.is_file() and own.read_bytes() == path.read_bytes()):
            added.in_the_way.append(name)
    added.in_the_way = list(dict.fromkeys(added.in_the_way))
    return added


def add_all(rendered: Path, target: Path, *, dry_run: bool) -> list[PurePosixPath]:
    """Add every file of ``rendered`` that ``target`` has not; their paths, which in a dry run are only named.

    Raises:
        TrainyardError: something of another content is in the way; nothing has changed.
    """
    found = plan(rendered, target)
    if found.in_the_way:
        raise TrainyardError(f"{target / found.in_the_way[0]} is there already", "move it away, or choose another name")
    if not dry_run:
        add(rendered, target, found.written)
    return found.written


def _is_no_folder(path: Path) -> bool:
    return (path.exists() or path.is_symlink()) and not path.is_dir()


def add(rendered: Path, target: Path, names: list[PurePosixPath]) -> None:
    """Copy the files ``names``. Interrupted, or out of disk, it leaves what was there before."""
    made: list[Path] = []
    try:
        for name in names:
            own = target / name
            for folder in reversed([own.parent, *own.parent.parents]):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            made.append(own)
            shutil.copy(rendered / name, own)
    except BaseException as error:  # Ctrl-C, too
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            error.filename = str(made[-1])  # shutil names what it copies
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        raise
