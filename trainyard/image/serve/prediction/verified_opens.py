"""A function that opens files of its model by itself gets the bytes that were verified, and no others.

``models.binaries`` compares the bytes that it then unpickles. Historical functions open their binary and unpickle it:
what they open is compared first, and then they are handed a copy in memory that nobody can change (memfd_create(2),
sealed), whatever happens to the file. Of files larger than KEEP_BYTES there is no copy: the file that was hashed is the
one that is read, so a rename changes nothing, but who writes into it could.

Files are known by inode, size and times once they were compared: opening one in every request costs microseconds.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from trainyard.contract.files import CHUNK, hash_rest, open_regular
from trainyard.contract.model_files import BINARY, Files, more_files
from trainyard.contract.records import (
    Record,
    binary_path,
    check_file,
    check_sha256,
    files_in_place,
    read_record,
    reading,
    record_path,
)
from trainyard.errors import ModelUnavailable
from trainyard.image.serve.prediction.file_owners import owners
from trainyard.settings.image import baked_models

LOG = logging.getLogger("trainyard.serve")
KEEP_BYTES = 64 << 20  # larger files are not copied to memory
MOST_COPIES = 64  # each takes a descriptor; files beyond are treated like large ones

Signature = tuple[int, int, int, int]  # inode, size, time of change of content and of anything, in ns


class Verified(NamedTuple):
    """What a file was when it was compared, with the record that vouches for it; ``copy`` is of the same bytes."""

    path: str
    record: str  # path of the record
    named: Mapping[str, str]  # what records named then
    seen: tuple[Signature | None, Signature | None]  # of the file and of the record
    sha256: str
    copy: IO[bytes] | None

    def is_as_it_was(self, named: Mapping[str, str]) -> bool:
        """Whether neither the file has changed, nor the record, nor which record it is."""
        return self.named is named and self.seen == (signature(self.path), signature(self.record))


class Vouching(NamedTuple):
    """The model whose record says what a file has to be."""

    model_name: str
    binary: Path

    def check(self, name: str, sha256: str) -> None:
        """Raises:
        ModelUnavailable: the file of that name is not the one that was recorded or baked into the image."""
        record = read_record(self.binary)
        if name != self.binary.name and record is not None:
            check_file(self.binary.parent, name, self.model_name, sha256, record)
        elif record is not None or baked_models():
            check_sha256(self.binary, self.model_name, sha256, record)
        elif self.binary not in _without_record:
            _without_record.add(self.binary)
            LOG.warning("%s: no record beside it, so the binary cannot be verified: train the model again", self.binary)


_verified: dict[tuple[Path, str], Verified] = {}  # by folder and name
_hashes: dict[str, tuple[Signature, str]] = {}
_without_record: set[Path] = set()


def signature(path: str | Path) -> Signature | None:
    """What tells a regular file from what it was; None where there is none."""
    try:
        return _signature(os.stat(path))  # noqa: PTH116 -- at every open
    except (OSError, ValueError):
        return None


def _signature(status: os.stat_result) -> Signature | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def vouching(models: Path, name: str) -> Vouching | None:
    """Whose record vouches for the file ``name``; None where it is no binary and no record names it."""
    owner = owners(models).get(name)
    if name.endswith(BINARY) and os.sep not in name:
        binary = models / name
        if owner is None or os.path.lexists(record_path(binary)):
            return Vouching(name.removesuffix(BINARY), binary)
    return Vouching(owner, binary_path(models, owner)) if owner is not None else None


def open_verified(models: Path, name: str) -> int | None:
    """A descriptor to read the file ``name`` below ``models`` by; None where nobody vouches for it.

    Raises:
        ModelUnavailable: it is not the file that was recorded or baked into the image, or the record is unreadable.
        OSError: it cannot be opened.
    """
    known, named = _verified.get((models, name)), owners(models)
    if known and known.copy and known.is_as_it_was(named):
        return _reopened(known.copy)
    found = vouching(models, name)
    if found is None:
        return None
    with reading(), _open_regular(str(models / name)) as file:
        verified = _verify(found, models, name, file)
        return _reopened(verified.copy) if verified.copy else _from_the_start(file)


def _open_regular(path: str) -> IO[bytes]:
    try:
        return open_regular(path)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ModelUnavailable(f"{path}: {error.strerror}", "put the file there, or train the model again") from None


def check_opened(models: Path, name: str) -> None:
    """The same for a file that is about to be opened by other means: it is compared, and opened where it lies.

    Raises:
        ModelUnavailable: as ``open_verified``.
    """
    try:
        descriptor = open_verified(models, name)
    except OSError:  # opening it will tell
        return
    if descriptor is not None:
        os.close(descriptor)


def _verify(found: Vouching, models: Path, name: str, file: IO[bytes]) -> Verified:
    named, record = owners(models), str(record_path(found.binary))
    seen = _signature(os.fstat(file.fileno())), signature(record)
    known = _verified.get((models, name))
    if known and known.seen[0] == seen[0]:  # the record may be another
        digest, copy = known.sha256, known.copy
    else:
        digest, copy = _read(file)
    if not (known and known.seen == seen and known.named is named):
        found.check(name, digest)
    verified = Verified(str(models / name), record, named, seen, digest, copy)
    _verified[models, name] = verified
    return verified


def _read(file: IO[bytes]) -> tuple[str, IO[bytes] | None]:
    """The sha256 of what is in the file, and the copy of just that; none where it is large or memory is short."""
    small = os.fstat(file.fileno()).st_size <= KEEP_BYTES
    copy = _new_copy() if small else None
    digest = hashlib.sha256()
    try:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if copy:
                copy.write(chunk)
    except OSError:
        if copy:
            copy.close()
        raise
    if copy:
        copy.flush()
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(copy.fileno(), fcntl.F_ADD_SEALS, seals)
    return digest.hexdigest(), copy


def _new_copy() -> IO[bytes] | None:
    copies = sum(verified.copy is not None for verified in _verified.values())
    if copies >= MOST_COPIES or not (hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()):
        return None
    try:
        return os.fdopen(os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb")
    except OSError:
        return None


def _reopened(copy: IO[bytes]) -> int:
    """A descriptor with a position of its own."""
    return _open(f"/proc/self/fd/{copy.fileno()}", os.O_RDONLY)


def _from_the_start(file: IO[bytes]) -> int:
    descriptor = os.dup(file.fileno())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


_open = os.open  # as Python has it


def sha256(path: Path) -> str:
    """Of a file; read again only where it has changed.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    known = _hashes.get(str(path))
    if known and known[0] == signature(path):
        return known[1]
    with reading(), open_regular(path) as file:
        found = _signature(os.fstat(file.fileno()))
        digest = hash_rest(file)
    if found is not None:
        _hashes[str(path)] = found, digest
    return digest


def check_model(models: Path, model_name: str) -> tuple[Record, Files]:
    """The record of a model, and its files, each of which was compared, if it has others than a binary; else none.

    What a library opens in C is not seen, so such files are compared when the route is loaded.

    Raises:
        ModelUnavailable: the record cannot be read, or a file is not the recorded one.
    """
    record = read_record(binary_path(models, model_name)) or {}
    if not more_files(record, model_name):
        return record, {}
    return record, files_in_place(models, model_name, record, sha256)
