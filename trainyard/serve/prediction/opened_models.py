"""Which files below ``models/`` a route's function opens: its version, and what makes it stale, follow from them.

Functions open their binary by ``utils.binaries`` or, as historical ones do, by themselves. An audit hook (PEP 578) sees
both. What a library opens in C is not seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.errors import ModelUnavailable
from trainyard.records import Record, read_record

VERSION_DIGITS = 12  # of the sha256 of a binary
_SUFFIXES = re.compile(r"(\.[0-9a-f]{12}\.onnx|\.pkl|\.json)$")
_recordings: list[tuple[tuple[str, ...], set[str]]] = []  # prefixes of paths, and what was opened below them
_installed = False


@dataclass(frozen=True)
class ServedModel:
    """A model that a route answers by; ``version`` are the first digits of the sha256 of its binary."""

    name: str
    version: str
    record: Record


@contextlib.contextmanager
def recording(models: Path) -> Iterator[set[str]]:
    """The names of the files below ``models`` that this process opens meanwhile, relative to it."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_on_event)
    opened: set[str] = set()
    prefixes = {os.path.abspath(models) + os.sep, os.path.realpath(models) + os.sep}  # noqa: PTH100 -- with its links
    entry = (tuple(prefixes), opened)
    _recordings.append(entry)
    try:
        yield opened
    finally:
        _recordings.remove(entry)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if not _recordings or event != "open":
        return
    path = arguments[0]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 -- as it was named
    for prefixes, opened in _recordings:
        for prefix in prefixes:
            if absolute.startswith(prefix):
                opened.add(absolute[len(prefix) :])


def served_models(models: Path, opened: set[str]) -> tuple[ServedModel, ...]:
    """The models that the ``opened`` files below ``models`` are of, by name; files that are no model's are left out.

    Raises:
        ModelUnavailable: a record that cannot be read.
    """
    found = []
    for name in sorted(model_names({name for name in opened if _SUFFIXES.search(name)})):
        binary = models / f"{name}.pkl"
        record = read_record(binary) or {}
        sha256 = str(record.get("sha256") or "") or _hash(binary)
        if sha256:
            found.append(ServedModel(name, sha256[:VERSION_DIGITS], record))
    return tuple(found)


def model_names(files: Iterable[str]) -> set[str]:
    """The models that files below ``models/`` belong to: ``rf`` of ``rf.pkl``, ``rf.json``, ``rf.<hash>.onnx``."""
    return {_SUFFIXES.sub("", name) for name in files}


def _hash(binary: Path) -> str:
    try:
        with binary.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ModelUnavailable(f"{binary}: cannot be read ({error.strerror})", "check its permissions") from None
