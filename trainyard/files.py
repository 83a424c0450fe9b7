"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from trainyard.errors import TrainyardError

CHUNK = 1 << 20  # bytes read at a time while hashing
JSON_BYTES = 16 << 20  # the largest JSON file that is read
JSON_DEPTH = 200  # and the deepest: what is done with it later may call itself


def sha256_of(path: Path) -> str:
    """The sha256 of a regular file's content, as 64 hex digits.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return hash_rest(file)


def hash_rest(file: IO[bytes]) -> str:
    """The sha256 of what is still to be read of a file."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def open_regular(path: str | Path) -> IO[bytes]:
    """A regular file, open for reading. A pipe or a device is refused; opening one could wait for ever.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_json(path: Path) -> tuple[Any, bytes]:
    """What a JSON file says, and its bytes: a regular file of at most JSON_BYTES, nested at most JSON_DEPTH deep.

    Raises:
        OSError: it cannot be read, is no regular file, or is too large.
        ValueError: it is not JSON, or is nested too deeply.
    """
    with open_regular(path) as file:
        content = file.read(JSON_BYTES + 1)
    if len(content) > JSON_BYTES:
        raise OSError(errno.EFBIG, f"larger than {JSON_BYTES >> 20} MiB", str(path))
    return parse_json(content), content


def parse_json(content: bytes) -> Any:
    """Raises:
    ValueError: it is not JSON, or is nested more than JSON_DEPTH deep."""
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [found]
    for _ in range(JSON_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return found
    raise ValueError("nested too deeply")


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


def promote_folder(temporary: Path, path: Path) -> None:
    """The same for a folder with all that is in it; there is nothing at ``path``."""
    umask = os.umask(0)
    os.umask(umask)
    for parent, _, names in os.walk(temporary, topdown=False):
        for name in names:
            Path(parent, name).chmod(0o666 & ~umask)
            _sync(Path(parent, name))
        Path(parent).chmod(0o777 & ~umask)
        _sync(Path(parent))
    temporary.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
