"""Build contexts: the files that go into an image, how they are hashed, and how they are handed to an engine.

Which files these are says ``trainyard.host.monorepo.sources``.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from trainyard.host.support.hashed_files import MIB, HashedFile

# 1980-01-01, the first time that a zip can say: of every file of a layer. As SOURCE_DATE_EPOCH in builders/common.sh.
OLDEST_TIME = 315532800
LARGE = 20 * MIB  # what a file, or a folder of a model, may have before it is named
NAMED = 8  # files that stay out and are named in one line


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class ContextFile:
    """One file of a context: its place in it, its content (or the file that has it), whether it can be run."""

    path: PurePosixPath
    content: bytes | HashedFile
    executable: bool = False

    @property
    def size(self) -> int:
        return self.content.size if isinstance(self.content, HashedFile) else len(self.content)

    @property
    def mode(self) -> int:
        return 0o755 if self.executable else 0o644

    def open(self) -> contextlib.AbstractContextManager[Readable]:
        """Its content, which has to be read to the end when the block is through."""
        return self.content.open() if isinstance(self.content, HashedFile) else io.BytesIO(self.content)

    def start(self, size: int) -> bytes:
        """The first bytes of its content."""
        return self.content.start(size) if isinstance(self.content, HashedFile) else self.content[:size]

    def read(self) -> bytes:
        with self.open() as content:
            return content.read()


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that stays out of a context, and why."""

    path: PurePosixPath
    reason: str


@dataclass(frozen=True)
class Context:
    """The files of a build context, sorted by path, and what was left out."""

    files: tuple[ContextFile, ...]
    left_out: tuple[LeftOut, ...] = ()

    @functools.cached_property
    def sha256(self) -> str:
        """Over paths, modes and contents: equal contexts have equal hashes, whatever their times and owners."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.path}\0{int(file.executable)}\0{file.size}\0".encode())
            digest.update(file.content.sha256.encode() if isinstance(file.content, HashedFile) else file.content)
        return digest.hexdigest()

    def read(self, path: str) -> bytes:
        """The content of one file that is there."""
        return next(file for file in self.files if file.path == PurePosixPath(path)).read()

    def write_tar(self, below: str, stream: IO[bytes]) -> None:
        """Write a tar of the files below the folder ``below``: root's, of time 0, readable by all.

        It ends with its end-of-archive mark and is not padded further to a whole record, as POSIX has it for tapes:
        an engine that stops reading at the mark may fail for what it left unread (buildah issue 6573).
        """
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for folder in sorted(self._folders(below), key=lambda path: path.parts):
                archive.addfile(tar_entry(folder, 0o755, tarfile.DIRTYPE))
            for file in self.files:
                add_file(archive, PurePosixPath(below) / file.path, file)
            end = archive.offset + 2 * tarfile.BLOCKSIZE
        stream.truncate(end)

    def write(self, folder: Path) -> None:
        """Write the files below ``folder``."""
        for file in self.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open() as content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy, MIB)
            target.chmod(file.mode)
            os.utime(target, (OLDEST_TIME, OLDEST_TIME))  # equal builds give equal file systems

    def remarks(self) -> Iterator[str]:
        """What somebody who builds it should know: what is missing in it, and what makes it large."""
        if self.left_out:
            named = [f"{item.path} ({item.reason})" for item in self.left_out[:NAMED]]
            more = [f"and {len(self.left_out) - NAMED} more"] if len(self.left_out) > NAMED else []
            yield f"Left out of the image: {', '.join(named + more)}"
        sizes: Counter[PurePosixPath] = Counter()
        for file in self.files:
            sizes[PurePosixPath(*file.path.parts[:3])] += file.size  # <project>/<model>/<what lies there>
        for path, size in sizes.most_common():
            if size >= LARGE:
                yield (
                    f"Large: {path} brings {size / MIB:.0f} MiB into the image; "
                    "if that is not needed there, move it elsewhere, or list it in the model's .s2iignore"
                )

    def _folders(self, below: str) -> set[PurePosixPath]:
        folders = {PurePosixPath(below)}
        for file in self.files:
            folders.update(PurePosixPath(below) / parent for parent in file.path.parents)
        return folders


def tar_entry(path: PurePosixPath, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Root's, and of one time: equal files give equal archives."""
    entry = tarfile.TarInfo(str(path))
    entry.mode, entry.type, entry.mtime = mode, kind, OLDEST_TIME
    return entry


def add_file(archive: tarfile.TarFile, path: PurePosixPath, file: ContextFile) -> None:
    """Write ``file`` into a tar as ``path``."""
    entry = tar_entry(path, file.mode)
    entry.size = file.size
    with file.open() as content:
        archive.addfile(entry, content)


def make_context(found: Iterable[ContextFile | LeftOut]) -> Context:
    """Sort the files; of two with one path the later wins."""
    items = list(found)
    files = {str(file.path): file for file in only_files(items)}
    left_out = dict.fromkeys(item for item in items if isinstance(item, LeftOut))
    return Context(tuple(file for _, file in sorted(files.items())), tuple(left_out))


def only_files(found: Iterable[ContextFile | LeftOut]) -> list[ContextFile]:
    return [item for item in found if isinstance(item, ContextFile)]


def text_file(path: str, content: bytes) -> ContextFile:
    return ContextFile(PurePosixPath(path), content)
