"""Files that are hashed when a build is planned, and handed over later: streamed, and the same content or an error."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainyard.contract.files import open_regular, sha256_of
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.support import console

SHOWN = 64 << 20  # bytes; to hash as much takes long enough to say so
MIB = 1 << 20


class HashingReader:
    """Reads from ``file``, of ``size`` bytes; ``digest`` is over what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.digest.update(content)
        return content


@contextlib.contextmanager
def open_hashed(path: Path, sha256: str, below: Path | None = None) -> Iterator[HashingReader]:
    """The content of a file, which has to be read to the end when the block is through.

    Args:
        path: of the file.
        sha256: of the content that was planned.
        below: as for ``open_regular``.

    Raises:
        TrainyardError: it is another one than was planned: something has written to the file meanwhile.
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path, below) as file:
        reader = HashingReader(file)
        yield reader
    if reader.digest.hexdigest() != sha256:
        raise TrainyardError(f"{path}: changed while the image was built", "build again", EXIT_FAILED)


@dataclass(frozen=True)
class HashedFile:
    """A file of ``size`` bytes that stays where it is until it is needed."""

    path: Path
    size: int
    sha256: str

    def start(self, size: int) -> bytes:
        with open_regular(self.path) as file:
            return file.read(size)

    def open(self) -> contextlib.AbstractContextManager[HashingReader]:
        return open_hashed(self.path, self.sha256)


def hashed(path: Path) -> HashedFile:
    """Hash a file, once for each state that it is in; with a message for a large one.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    status = path.stat()
    return HashedFile(path, status.st_size, _sha256(path, status.st_size, status.st_mtime_ns, status.st_ino))


@functools.lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, _changed: int, _inode: int) -> str:
    what = console.waiting(f"Reading {path.name} ({size / MIB:.0f} MiB) ...")
    with what if size >= SHOWN else contextlib.nullcontext():
        return sha256_of(path)
