"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainyard.errors import TrainyardError

CHUNK = 1 << 20  # bytes read at a time while hashing


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def size_of(folder: Path) -> int:
    """The bytes that removing a folder frees: a file that has another name elsewhere, as in uv's cache, frees none."""
    found = (Path(parent, name).lstat() for parent, _, names in os.walk(folder) for name in names)
    return sum(status.st_size for status in found if status.st_nlink == 1)


def read_text(path: Path) -> str:
    """The text of a file that a person wrote.

    Raises:
        TrainyardError: it is not there, or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TrainyardError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8"
        ) from None
    except OSError as error:
        raise TrainyardError(f"{path}: {error.strerror}", "check the file") from None


def write_whole(path: Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that a reader, or a crash, sees the old file or the new one, never a part.

    Raises:
        OSError: no permission, no space; the old file is then still there and nothing is left beside it.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Hand out a temporary path beside ``path``; on a clean exit it is synced and renamed to ``path``."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        promote(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def promote(temporary: Path, path: Path) -> None:
    """Sync ``temporary`` to disk and rename it to ``path`` (same file system), with the permissions of a new file."""
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
