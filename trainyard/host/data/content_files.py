"""The cache's files by content: ``contents/<2 digits>/<62 digits>`` of their sha256, written whole, then only read."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READ_ONLY = 0o444
_COPY = 1 << 20
_ABANDONED = 86400  # seconds since anything was written to it


class ContentFiles:
    """A folder of files named by their content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new = folder / "new"
        self._made: set[str] = set()

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256[2:]

    def has(self, sha256: str, size: int) -> bool:
        """Whether it is there, and of that size: a machine that lost its power may leave an empty one."""
        try:
            return self.path(sha256).stat().st_size == size
        except OSError:
            return False

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """A path to write one to; what is not kept is removed."""
        self._new.mkdir(parents=True, exist_ok=True)
        path = self._new / secrets.token_hex(16)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, written: Path, sha256: str) -> None:
        """Give a file that was written its name."""
        target = self.path(sha256)
        if sha256[:2] not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(sha256[:2])
        written.chmod(READ_ONLY)
        written.replace(target)

    def put(self, sha256: str, target: Path) -> None:
        """Have the content at ``target``, too: as another name of it, or as a copy where that cannot be."""
        source = self.path(sha256)
        try:
            os.link(source, target)
        except OSError:  # a file system without links, or too many of one file
            with source.open("rb") as content, target.open("xb") as copy:
                shutil.copyfileobj(content, copy, _COPY)
            target.chmod(READ_ONLY)

    def unused(self) -> Iterator[Path]:
        """Those that no dataset has, the oldest first."""
        found = [(stat.st_mtime, path) for path in self.folder.glob("??/*") if (stat := path.stat()).st_nlink == 1]
        yield from (path for _, path in sorted(found))

    def size(self) -> int:
        """Of all, in bytes."""
        return sum(path.stat().st_size for path in self.folder.glob("??/*"))

    def remove_leftovers(self) -> None:
        """What processes that were killed have begun."""
        for path in self._new.glob("*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _ABANDONED:
                    path.unlink()


def sha256_of_file(path: Path) -> str:
    """Read from the cache of the system, where it was just written."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
