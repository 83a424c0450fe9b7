"""A function that opens ``models/<name>.pkl`` by itself gets it only if its sha256 is the recorded one.

``utils.binaries`` compares the bytes that it then unpickles. Historical functions open their binary and unpickle it: of
those the file is compared when it is about to be opened, so that nothing of a corrupt one is ever unpickled. Files are
known by inode, size and times once they were compared: opening one in every request costs microseconds.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from pathlib import Path

from trainyard.records import check_sha256, read_record, reading, record_path
from trainyard.settings import baked_models

LOG = logging.getLogger("trainyard.serve")

Signature = tuple[int, int, int, int]  # inode, size, time of change of content and of anything, in ns

_hashes: dict[str, tuple[Signature, str]] = {}
_good: dict[str, tuple[Signature, Signature | None]] = {}  # by path, of binary and record
_without_record: set[str] = set()


def signature(path: str | Path) -> Signature | None:
    """What tells a regular file from what it was; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 -- at every open
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def check_binary(binary: Path) -> None:
    """Compare a binary with the record beside it, unless both are as they were the last time.

    Raises:
        ModelUnavailable: it is not the one that was recorded or baked into the image, or the record cannot be read.
    """
    path = str(binary)
    found = signature(path)
    if found is None:  # what it is, opening it will tell
        return
    seen = found, signature(record_path(binary))
    if _good.get(path) == seen:
        return
    with reading():
        record = read_record(binary)
        if record is not None or baked_models():
            check_sha256(binary, binary.name.removesuffix(".pkl"), sha256(binary), record)
        elif path not in _without_record:
            _without_record.add(path)
            LOG.warning("%s: no record beside it, so the binary cannot be verified: train the model again", binary)
    _good[path] = seen


def sha256(binary: Path) -> str:
    """Of a file; read again only where it has changed.

    Raises:
        OSError: it cannot be read.
    """
    path, found = str(binary), signature(binary)
    known = _hashes.get(path)
    if known and known[0] == found:
        return known[1]
    with reading(), binary.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if found is not None:
        _hashes[path] = found, digest
    return digest
