"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from trainyard.contract.beneath import open_below
from trainyard.errors import TrainyardError

CHUNK = 1 << 20  # bytes read at a time
JSON_BYTES = 16 << 20  # the largest JSON file that is read
JSON_DEPTH = 200  # and the deepest: what is done with it later may call itself


def sha256_of(path: Path, below: Path | None = None) -> str:
    """The sha256 of a regular file's content, as 64 hex digits; ``below`` as for ``open_regular``.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path, below) as file:
        return hash_rest(file)


def hash_rest(file: IO[bytes]) -> str:
    """The sha256 of what is still to be read of a file."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def open_regular(path: str | Path, below: Path | None = None) -> IO[bytes]:
    """A regular file, open for reading. A pipe or a device is refused; opening one could wait for ever.

    Args:
        path: of the file.
        below: a folder around it that others write to: a link in there is not followed.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    if below is not None:
        return os.fdopen(open_below(below, str(Path(path).relative_to(below))), "rb")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_json(path: Path, below: Path | None = None) -> tuple[Any, bytes]:
    """What a JSON file says, and its bytes: a regular file of at most JSON_BYTES, nested at most JSON_DEPTH deep;
    ``below`` as for ``open_regular``.

    Raises:
        OSError: it cannot be read, is no regular file, or is too large.
        ValueError: it is not JSON, or is nested too deeply.
    """
    with open_regular(path, below) as file:
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


def sha256_of_dataset(dataset: Path, files: Sequence[Path]) -> str:
    """The sha256 of a dataset, as 64 hex digits: of a file that of its content, of a folder one over all of its files.

    That of a folder is the sha256 of what ``sha256sum`` prints for its files:

        cd <folder> && find -L . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

    Args:
        dataset: a file, or a folder.
        files: what `dataset_files` finds in it.

    Raises:
        OSError: a file cannot be read.
    """
    if dataset.is_file():
        return sha256_of(dataset)
    digest = hashlib.sha256()
    for path in files:
        name = os.fsencode(path.relative_to(dataset))
        escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        mark = b"\\" if escaped != name else b""
        digest.update(b"%s%s  %s\n" % (mark, sha256_of(path).encode(), escaped))
    return digest.hexdigest()


def dataset_files(dataset: Path, data: Path | None = None) -> list[Path]:
    """All files of a dataset, hidden ones too, sorted by the bytes of their paths in it; links are followed.

    Args:
        dataset: a file, or a folder.
        data: the folder that links must not lead out of: a container has no other; None: they may lead anywhere.

    Raises:
        TrainyardError: no such file or folder, one that cannot be read, a folder without files; in a folder a link that
            leads nowhere, out of ``data``, or to a folder around it, and what is neither file nor folder.
    """
    if dataset.is_file():
        return [dataset]
    roots = (data.resolve(), dataset.resolve()) if data else (Path("/"),)
    files = sorted(_files_below(dataset, roots, ()), key=lambda path: os.fsencode(path.relative_to(dataset)))
    if not files:
        raise TrainyardError(f"{dataset}: the folder holds no files", "put the dataset there")
    return files


def _files_below(folder: Path, roots: tuple[Path, ...], around: tuple[Path, ...]) -> Iterator[Path]:
    around = (*around, folder.resolve())
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError as error:
        raise TrainyardError(f"{folder}: cannot be read ({error.strerror})", "check the dataset") from None
    for entry in entries:
        path = folder / entry.name
        if entry.is_symlink():
            _check_link(path, roots, around)
        if entry.is_dir():
            yield from _files_below(path, roots, around)
        elif entry.is_file():
            yield path
        else:
            raise TrainyardError(f"{path}: neither a file nor a folder", "remove it from the dataset")


def _check_link(link: Path, roots: tuple[Path, ...], around: tuple[Path, ...]) -> None:
    target = link_target(link, around)
    if not any(target.is_relative_to(root) for root in roots):
        raise TrainyardError(f"{link}: a link out of the data folder, to {target}", "put a copy there in its place")


def link_target(link: Path, around: tuple[Path, ...]) -> Path:
    """Where a link leads in the end. ``around``: the folders that somebody who looks for files is in.

    Raises:
        TrainyardError: nowhere, or to one of these, so that the search would not end.
    """
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        raise TrainyardError(f"{link}: a link that leads nowhere", "remove it, or correct it") from None
    if target in around:
        raise TrainyardError(f"{link}: a link to a folder around it", "remove it")
    return target


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
