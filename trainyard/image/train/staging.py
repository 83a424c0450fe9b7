"""A folder that a train function takes for its working directory, so that ``models/`` changes only when it succeeds.

Train functions open ``models/<name>.pkl`` for writing by themselves. They run in ``models/.staging-<id>/view``, whose
entries are links to the sources' entries; only its ``models`` is a folder of its own. It lies below the real
``models/``, the one place that is sure to be writable and on the file system that a rename needs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trainyard.contract.files import replacing
from trainyard.contract.model_files import is_of_model, paths_below
from trainyard.errors import TrainyardError

PREFIX = ".staging-"
LOCK = "lock"
# Files of other models that are larger are linked instead of copied.
COPY_BYTES = 16 << 20


class Stamp(NamedTuple):
    """By what a file that was written again differs."""

    inode: int
    size: int
    modified: int


Stamps = dict[str, dict[str, Stamp]]  # of the files of each entry of a folder, by the entry's name and their paths


class Staging:
    """One training's view of the sources; use it as ``with staging(...)``. ``declared``: MODEL_FILES."""

    def __init__(self, sources: Path, folder: Path, model_name: str, declared: tuple[str, ...] = ()) -> None:
        self.sources = sources
        self.view = folder / "view"
        self.models = self.view / "models"
        self.replaced = folder / "replaced"  # what was in models/ is moved there before something takes its place
        self.model_name = model_name
        self.declared = declared
        self._before: Stamps = {}
        self._links: dict[str, Path] = {}

    def fill(self) -> None:
        """Link the sources' entries, and copy or link the files of ``models/``."""
        self.models.mkdir(parents=True)
        for entry in os.scandir(self.sources):
            if entry.name != "models":
                (self.view / entry.name).symlink_to(entry.path)
        self._fill_models()

    def renew(self, model_name: str) -> None:
        """As it was when it was filled, for another training: what the last one wrote is thrown away."""
        self.model_name = model_name
        for path in (self.models, *self.beside()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.models.mkdir()
        self._fill_models()

    def _fill_models(self) -> None:
        for entry in os.scandir(self.sources / "models"):
            if not entry.name.startswith("."):
                self._stage(entry)
        self._before = {path.name: stamps_below(path) for path in self._entries()}
        self._links = {path.name: path.readlink() for path in self.models.iterdir() if path.is_symlink()}

    def resolve_links(self) -> None:
        """Put a copy of the file in the place of each link that the function made (``hk.pkl -> hk-v2.pkl``)."""
        for path in self._new_links():
            if path.is_file():
                with replacing(path) as temporary:
                    shutil.copyfile(path, temporary)

    def irregular(self) -> list[str]:
        """The names in ``models/`` that cannot be kept: pipes, sockets, links to nothing or to a folder."""
        paths = (path for entry in self._entries() for path in paths_below(entry))
        others = {path for path in paths if not path.is_file()}
        links = {path for path in self._new_links() if not path.is_file()}
        return sorted(path.relative_to(self.models).as_posix() for path in links | others)

    def drop_irregular(self) -> None:
        """Remove what cannot be kept from the folders that are to be moved as they are."""
        for name in self.irregular():
            (self.models / name).unlink()

    def written(self) -> list[Path]:
        """The staged files and folders that the function wrote, new or again."""
        return sorted(
            path
            for path in self._entries()
            if (path.is_file() or path.is_dir()) and self._before.get(path.name) != stamps_below(path)
        )

    def is_own(self, entry: str) -> bool:
        """Whether a file or folder of that name is a part of the model."""
        return is_of_model(entry, self.model_name, self.declared)

    def beside(self) -> list[Path]:
        """What the function left in its working directory, outside of ``models/``."""
        return sorted(path for path in self.view.iterdir() if not path.is_symlink() and path != self.models)

    def _stage(self, entry: os.DirEntry[str]) -> None:
        """Copy what the function may open for writing; a link would let it truncate the real file.

        Without a model name in the payload that is any file; else the model's own, its folders too, and small ones.
        """
        staged = self.models / entry.name
        if entry.is_file() and (
            not self.model_name or entry.name.startswith(self.model_name) or entry.stat().st_size <= COPY_BYTES
        ):
            with contextlib.suppress(PermissionError):  # not ours to read; then it is not seen
                shutil.copy2(entry.path, staged)
        elif entry.is_dir(follow_symlinks=False) and self.is_own(entry.name) and not entry.name.endswith(".json"):
            with contextlib.suppress(shutil.Error):  # likewise; and links become what they lead to
                shutil.copytree(entry.path, staged, ignore_dangling_symlinks=True)
        else:
            staged.symlink_to(entry.path)

    def _new_links(self) -> list[Path]:
        """Links that the function made, right in ``models/`` or in a folder there."""
        paths = (path for entry in self.models.iterdir() for path in (entry, *self._below(entry)))
        return [
            path
            for path in paths
            if path.is_symlink()
            and not path.name.startswith(".")
            and self._links.get(path.name if path.parent == self.models else "") != path.readlink()
        ]

    @staticmethod
    def _below(entry: Path) -> Iterator[Path]:
        return iter(()) if entry.is_symlink() or not entry.is_dir() else entry.rglob("*")

    def _entries(self) -> Iterator[Path]:
        """What lies in ``models/``, but for links: those lead to what is not the function's."""
        for path in self.models.iterdir():
            if not path.is_symlink() and not path.name.startswith("."):
                yield path


@contextlib.contextmanager
def staging(sources: Path, model_name: str, declared: tuple[str, ...] = ()) -> Iterator[Staging]:
    """Make a staging folder, clear away those of trainings that died, and remove ours in the end.

    Raises:
        TrainyardError: there is no ``models/`` folder, or it cannot be written.
    """
    models = sources / "models"
    folder = models / f"{PREFIX}{uuid.uuid4().hex[:12]}"
    with contextlib.ExitStack() as stack:
        with locked(models):
            _clear_dead(models)
            _make(folder)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            lock = stack.enter_context((folder / LOCK).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        staged = Staging(sources, folder, model_name, declared)
        staged.fill()
        yield staged


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the one lock of ``folder``; where its file system has no locks, do without."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield  # whoever writes there says what is wrong
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(folder: Path) -> None:
    models = folder.parent
    if not models.is_dir():
        raise TrainyardError("models/: no such folder", "create it beside data/, and mount it where training runs")
    try:
        folder.mkdir()
    except PermissionError:
        owner = models.stat()
        raise TrainyardError(
            f"models/ is not writable by uid {os.geteuid()}: it belongs to {owner.st_uid}:{owner.st_gid}, "
            f"mode {owner.st_mode & 0o777:o}",
            f"run chown {os.geteuid()} models, or train as its owner",
        ) from None
    except OSError as error:
        if is_full(error):
            raise
        raise TrainyardError(f"models/ is not writable: {error.strerror}", "mount it for writing") from None


def _clear_dead(models: Path) -> None:
    """Remove staging folders whose lock nobody holds. Process ids say nothing: containers count their own."""
    with contextlib.suppress(OSError):
        for folder in models.glob(f"{PREFIX}*"):
            if not _alive(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # held, or another user's
        return True
    return False


def stamp(path: Path) -> Stamp:
    """The stamp of a file as it is now."""
    status = path.stat()
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def stamps_below(entry: Path) -> dict[str, Stamp]:
    """The stamps of a file, or of the files of a folder, by their paths in it."""
    found = {}
    for path in paths_below(entry):
        with contextlib.suppress(OSError):  # removed meanwhile, or a link to nothing
            found[path.relative_to(entry).as_posix()] = stamp(path)
    return found


def own_stamps(models: Path, model_name: str, declared: tuple[str, ...] = ()) -> Stamps:
    """The stamps of the model's files in ``models/`` as they are now."""
    if not model_name:
        return {}
    entries = (entry for entry in models.iterdir() if is_of_model(entry.name, model_name, declared))
    return {entry.name: stamps_below(entry) for entry in entries}


def is_full(error: BaseException | None) -> bool:
    """Whether ``error`` was raised, or caused, because a disk, a quota or a file size limit was reached."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        error = error.__cause__ or error.__context__
    return False
