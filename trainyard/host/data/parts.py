"""A large file on its way into the cache: its parts come in any order, and those that are there survive a kill."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainyard.host.data.content_files import ContentFiles, write_all
from trainyard.host.data.store import Item

_PIECE = 256 << 10  # bytes that stay in a core's cache
PART = 64 << 20  # bytes of one part; a smaller file is fetched as one


class Parts:
    """The folder of one version of one file: ``content``, and ``done``, a line for each part that it has."""

    def __init__(self, folder: Path, url: str, item: Item) -> None:
        key = hashlib.sha256(f"{url}\0{item.path}\0{item.version}\0{item.size}".encode(errors="replace")).hexdigest()
        self._folder, self._item = folder / key[:32], item
        self._content, self._list = self._folder / "content", self._folder / "done"
        self._lock = threading.Lock()
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._content.is_file():
            self._list.unlink(missing_ok=True)
            self._content.touch(0o600)
        self._done = set(self._read())
        self.to_take = self.missing()  # what nobody fetches yet
        self._sha256, self._hashed = hashlib.sha256(), 0  # of the bytes before that offset

    def _read(self) -> Iterator[int]:
        """The offsets; a last line that was cut off is none."""
        if not self._list.is_file():
            return
        for line in self._list.read_text(errors="replace").splitlines(keepends=True):
            if line.endswith("\n") and line.strip().isdecimal():
                yield int(line)

    @property
    def done_size(self) -> int:
        """Bytes that are there."""
        return sum(map(self.length, self._done))

    def missing(self) -> list[int]:
        """The offsets of the parts that are not there."""
        return [offset for offset in range(0, self._item.size, PART) if offset not in self._done]

    def take(self, which: int = 0) -> int | None:
        """The offset of the first part that nobody fetches, or of the last one (-1)."""
        return self.to_take.pop(which) if self.to_take else None

    @contextmanager
    def writing(self, offset: int) -> Iterator[Callable[[bytes], None]]:
        """What writes the part from there on, piece by piece; on a clean exit it is there."""
        sha256 = self._sha256.copy() if offset == self._hashed else None
        descriptor = os.open(self._content, os.O_WRONLY)

        def write(piece: bytes) -> None:
            write_all(descriptor, piece)
            if sha256:
                sha256.update(piece)

        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            yield write
        finally:
            os.close(descriptor)
        if sha256:
            self._sha256, self._hashed = sha256, offset + self.length(offset)
        with self._lock, self._list.open("a") as file:
            file.write(f"{offset}\n")

    def length(self, offset: int) -> int:
        """Bytes of the part there."""
        return min(PART, self._item.size - offset)

    def is_complete(self, offset: int) -> bool:
        """Whether the part just written was the last; true for one caller alone."""
        with self._lock:
            self._done.add(offset)
            return not self.missing()

    def keep(self, contents: ContentFiles) -> str:
        """Move the whole file to its place; its sha256."""
        with self._content.open("rb") as file:  # what was not hashed as it came
            file.seek(self._hashed)
            while piece := file.read(_PIECE):
                self._sha256.update(piece)
        sha256 = self._sha256.hexdigest()
        contents.keep(str(self._content), sha256)
        shutil.rmtree(self._folder, ignore_errors=True)
        return sha256
