"""The files of a folder that a stranger may have made: found and opened without following a link out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trainyard.contract.beneath import open_below
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.sources import EXCLUDED, NOTICED, excluded, shown

TOP = PurePosixPath()
TABLES = (".csv", ".tsv", ".parquet", ".feather")  # ends of names of tables
TEXT_BYTES = 4 << 20  # the largest file that is read as text
NOT_OURS = (*EXCLUDED[""], ".git*", ".gitlab*", "build-context", "node_modules", ".tox", ".dvc", "mlruns", "runs")
LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Left:
    """A path of the source that stays where it is, and why."""

    path: PurePosixPath
    why: str

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.why}"


@dataclass
class SourceTree:
    """The regular files below ``root``, by their paths; ``files`` maps each to where it really lies below ``root``.

    ``name`` is what the source is called, ``label`` where it came from, as a report may say it.
    """

    root: Path
    name: str
    label: str
    files: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)

    def has(self, path: PurePosixPath | str) -> bool:
        return PurePosixPath(path) in self.files

    def below(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """The files in ``folder`` and in its folders, sorted."""
        return sorted(path for path in self.files if path.is_relative_to(folder))

    def names(self, folder: PurePosixPath = TOP) -> set[str]:
        """The files and folders directly in ``folder``."""
        depth = len(folder.parts)
        return {path.parts[depth] for path in self.files if path.is_relative_to(folder)}

    def is_folder(self, path: PurePosixPath) -> bool:
        return any(path in file.parents for file in self.files)

    def read(self, path: PurePosixPath | str) -> bytes:
        """Raises:
        TrainyardError: there is no such file, or it cannot be read.
        """
        with os.fdopen(self.open(PurePosixPath(path)), "rb") as file:
            return file.read()

    def open(self, path: PurePosixPath) -> int:
        """A descriptor of a file."""
        if path not in self.files:
            raise TrainyardError(f"{shown(path)}: no such file in {self.label}", "correct what names it")
        try:
            return open_below(self.root, str(self.files[path]))
        except OSError as error:
            raise TrainyardError(f"{shown(path)}: cannot be read ({error.strerror})", "check the source") from None

    def text(self, path: PurePosixPath | str) -> str:
        """A file that a person wrote; letters that are not UTF-8 are replaced. Empty where it is too large to be that.

        Raises:
            TrainyardError: as ``read``.
        """
        content = self.read(path)
        return content.decode("utf-8-sig", "replace").replace("\r\n", "\n") if len(content) <= TEXT_BYTES else ""

    def is_executable(self, path: PurePosixPath) -> bool:
        return os.access(self.root / self.files[path], os.X_OK)


def read_tree(root: Path, name: str, label: str) -> SourceTree:
    """Look for the files below ``root``. What is no file of ours to bring is named in ``left``.

    Raises:
        TrainyardError: a folder that cannot be read.
    """
    tree = SourceTree(root.resolve(), name, label)
    for path, real in _walk(tree, TOP, TOP, linked=False):
        tree.files[path] = real
    for path in [path for path in tree.files if _is_pointer(tree, path)]:
        tree.left.append(Left(path, "a pointer of Git LFS: run git lfs pull in a clone, then import that"))
        del tree.files[path]
    return tree


def _walk(
    tree: SourceTree, path: PurePosixPath, real: PurePosixPath, *, linked: bool
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """The files below ``path``, which lies at ``real``; ``linked``: a link has led there."""
    try:
        with os.scandir(tree.root / real) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        if path == TOP:
            raise TrainyardError(f"{tree.label}: cannot be read ({error.strerror})", "check it") from None
        tree.left.append(Left(path, f"cannot be read ({error.strerror})"))
        return
    for entry in entries:
        here, there = path / entry.name, real / entry.name
        if excluded(entry.name, NOT_OURS):
            if _is_noticed(entry.name):
                tree.left.append(Left(here, f"{NOTICED}: bring it by hand, if it is none"))
            elif not entry.name.startswith((".", "_")) and not entry.name.endswith(".pyc"):
                tree.left.append(Left(here, "what a tool keeps for itself: bring it by hand, if it is not"))
        elif not entry.name.isprintable() or "\\" in entry.name:
            tree.left.append(Left(here, "a name that is not UTF-8, or moves the cursor: rename it"))
        elif entry.is_symlink():
            yield from _through(tree, here, linked=linked)
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(tree, here, there, linked=linked)
        elif entry.is_file(follow_symlinks=False):
            yield here, there
        else:
            tree.left.append(Left(here, "neither a file nor a folder"))


def _through(tree: SourceTree, link: PurePosixPath, *, linked: bool) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """What a link leads to, where that lies below the root, too."""
    try:
        target = (tree.root / link).resolve(strict=True)
        mode = target.stat().st_mode
    except (OSError, RuntimeError):
        tree.left.append(Left(link, "a link that leads nowhere"))
        return
    if not target.is_relative_to(tree.root):
        tree.left.append(Left(link, "a link out of the source, refused: put a copy in its place"))
        return
    real = PurePosixPath(target.relative_to(tree.root))
    if any(excluded(part, NOT_OURS) for part in real.parts):
        tree.left.append(Left(link, f"a link to {shown(real)}, which is not brought"))
    elif stat.S_ISREG(mode):
        yield link, real
    elif linked or not stat.S_ISDIR(mode) or real in (link, *link.parents):
        tree.left.append(Left(link, "a link in a circle, or behind another: put a copy in its place"))
    else:
        yield from _walk(tree, link, real, linked=True)


def _is_noticed(name: str) -> bool:
    return excluded(name) and not any(PurePosixPath(name).match(pattern) for pattern in EXCLUDED[""])


def _is_pointer(tree: SourceTree, path: PurePosixPath) -> bool:
    try:
        with os.fdopen(tree.open(path), "rb") as file:
            return file.read(len(LFS)) == LFS
    except TrainyardError as error:
        tree.left.append(Left(path, error.message))
        return False
