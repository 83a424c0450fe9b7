"""What a container forbids looks like the user's mistake; this tells that it is not, and what to do."""

from __future__ import annotations

import errno

_WAY_OUT = "or serve it with HARDENED=0"
_READ_ONLY = f"the container's file system is read-only: write below /tmp, {_WAY_OUT}"
_NOT_EXECUTABLE = f"nothing below /tmp can be executed in this container: ship it in the image, {_WAY_OUT}"
_FULL = f"a disk is full, or the container's /tmp, which is held in memory: write less, {_WAY_OUT}"
_LOADER = "failed to map segment from shared object"  # how glibc's loader says that a folder is mounted noexec


def hint(error: BaseException | None) -> str:
    """One line about ``error``, or what caused it, where the container may be why; empty where it is not."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if found := _of(error):
            return found
        error = error.__cause__ or error.__context__
    return ""


def _of(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EROFS:
        return _READ_ONLY
    if number == errno.ENOSPC:
        return _FULL
    return _NOT_EXECUTABLE if _LOADER in str(error) else ""
