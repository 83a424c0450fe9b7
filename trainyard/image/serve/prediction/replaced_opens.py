"""Python's own ways to open a file, replaced so that a file of a model is opened as it was verified.

An audit hook can refuse an open but not change what it gives: between hashing and opening, another file could take the
place of the one that was hashed.
"""

from __future__ import annotations

import builtins
import bz2
import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainyard.contract.records import is_reading, reading
from trainyard.image.serve.prediction.verified_opens import open_verified

# Where open() is looked up when it is called; bz2 has a name of its own for it.
_OPEN = ((builtins, "open"), (io, "open"), (bz2, "_builtin_open"))
_WRITING = frozenset("wax+")
_BEFORE_OPENER = 5  # arguments of open() between its mode and its opener
_OTHER_THAN_READING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)

NameOf = Callable[[str], tuple[Path, str] | None]


def replace_open(name_of: NameOf) -> None:
    """From now on, a file for which ``name_of`` gives a folder, and a name in it, is opened as it was verified."""
    opening, low_level = _verified_open(io.open, name_of), _verified_os_open(os.open, name_of)
    for module, name in _OPEN:
        setattr(module, name, opening)
    os.open = low_level


def _verified_open(original: Callable[..., Any], name_of: NameOf) -> Callable[..., Any]:
    """``open``, which is given an ``opener`` that hands out verified bytes; who has one himself keeps it."""

    @functools.wraps(original)
    def open_(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if (
            is_reading()
            or not isinstance(file, (str, bytes, os.PathLike))
            or not (isinstance(mode, str) and _WRITING.isdisjoint(mode))
            or len(arguments) > _BEFORE_OPENER
            or options.get("opener")
            or (found := name_of(os.fsdecode(file))) is None
        ):
            return original(file, mode, *arguments, **options)
        options["opener"] = lambda path, flags: _open(found, path, flags)
        with reading():  # so that it is not compared once more
            return original(file, mode, *arguments, **options)

    return open_


def _verified_os_open(original: Callable[..., int], name_of: NameOf) -> Callable[..., int]:
    @functools.wraps(original)
    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if (
            is_reading()
            or dir_fd is not None
            or flags & _OTHER_THAN_READING
            or not isinstance(path, (str, bytes, os.PathLike))
            or (found := name_of(os.fsdecode(path))) is None
        ):
            return original(path, flags, mode, dir_fd=dir_fd)
        with reading():
            sys.audit("open", path, None, flags)
            return _open(found, path, flags)

    return open_


def _open(found: tuple[Path, str], path: Any, flags: int) -> int:
    try:
        descriptor = open_verified(*found)
    except OSError as error:
        error.filename = path  # as it was named
        raise
    return os.open(path, flags) if descriptor is None else descriptor
