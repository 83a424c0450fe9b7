"""The cache's files by content: ``contents/<2 digits>/<62 digits>`` of their sha256, written whole, then only read."""

from __future__ import annotations

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
    def writing(self) -> Iterator[str]:
        """A path to write one to; what is not kept is removed."""
        name = secrets.token_hex(16)
        folder = f"{self._new}/{name[:2]}"  # threads that make files in one folder wait for each other
        self._make(folder)
        path = f"{folder}/{name[2:]}"
        try:
            yield path
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    def keep(self, written: str, sha256: str) -> None:
        """Give a file that was written its name."""
        folder = f"{self.folder}/{sha256[:2]}"
        self._make(folder)
        # Texts, not Paths: of ten thousand files those take half a second.
        os.chmod(written, READ_ONLY)  # noqa: PTH101
        os.replace(written, f"{folder}/{sha256[2:]}")  # noqa: PTH105

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)

    def put(self, sha256: str, target: str) -> None:
        """Have the content at ``target``, too: as another name of it, or as a copy where that cannot be."""
        source = f"{self.folder}/{sha256[:2]}/{sha256[2:]}"
        try:
            os.link(source, target)
        except OSError:  # a file system without links, or too many of one file
            with Path(source).open("rb") as content, Path(target).open("xb") as copy:
                shutil.copyfileobj(content, copy, _COPY)
            Path(target).chmod(READ_ONLY)

    def unused(self) -> Iterator[Path]:
        """Those that no dataset has, the oldest first."""
        found = [(stat.st_mtime, path) for path in self.folder.glob("??/*") if (stat := path.stat()).st_nlink == 1]
        yield from (path for _, path in sorted(found))

    def size(self) -> int:
        """Of all, in bytes."""
        return sum(path.stat().st_size for path in self.folder.glob("??/*"))

    def remove_leftovers(self) -> None:
        """What processes that were killed have begun."""
        for path in self._new.glob("*/*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _ABANDONED:
                    path.unlink()


def write_all(descriptor: int, piece: bytes) -> None:
    """All of it: a system may take less at a time."""
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
