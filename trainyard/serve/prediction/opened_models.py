"""Which files below ``models/`` a route's function opens: its version, and what makes it stale, follow from them.

Functions open their binary by ``utils.binaries`` or, as historical ones do, by themselves. An audit hook (PEP 578) sees
both, and has binaries verified before they are opened. What a library opens in C is not seen.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.errors import ModelUnavailable
from trainyard.records import LINKED, Record, is_reading, read_record
from trainyard.serve.prediction import surroundings
from trainyard.serve.prediction.presentable import presentable
from trainyard.serve.prediction.verified_opens import Signature, check_binary, sha256, signature

VERSION_DIGITS = 12  # of the sha256 of a binary
_SUFFIXES = re.compile(r"(\.[0-9a-f]{12}\.onnx|\.pkl|\.json)$")
_LINKED = re.compile(rf"^{re.escape(LINKED)}/[^/]+/")
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

# The files below models/ that were opened to read them, and what they were then.
Opened = dict[str, Signature | None]

_prefixes: tuple[str, ...] = ()  # of paths below models/, as they may be named; empty before ``watch_opens``
_recordings: list[Opened] = []


@dataclass(frozen=True)
class ServedModel:
    """A model that a route answers by; ``version`` are the first digits of the sha256 of its binary."""

    name: str
    version: str
    record: Record


@contextlib.contextmanager
def recording(models: Path) -> Iterator[Opened]:
    """The files below ``models`` that this process opens meanwhile, by their names relative to it.

    From the first call on, binaries there are verified before they are opened.
    """
    global _prefixes
    if not _prefixes:
        sys.addaudithook(_on_event)
    found = os.path.abspath(models) + os.sep, os.path.realpath(models) + os.sep  # noqa: PTH100 -- with its links
    _prefixes = tuple(dict.fromkeys(found))
    opened: Opened = {}
    _recordings.append(opened)
    try:
        yield opened
    finally:
        _recordings.pop()


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open":
        if event in surroundings.EVENTS:
            surroundings.note(event, arguments)
        return
    path, flags = arguments[0], arguments[-1]
    if not isinstance(path, (str, bytes, os.PathLike)):  # a file that is open already
        return
    if isinstance(flags, int) and flags & _ACCESS != os.O_RDONLY:
        return
    name = os.fsdecode(path)
    if not _recordings and not name.endswith(".pkl"):
        return
    absolute = os.path.abspath(name)  # noqa: PTH100 -- as it was named
    for prefix in _prefixes:
        if absolute.startswith(prefix):
            _on_open(absolute, absolute[len(prefix) :])
            return


def _on_open(path: str, name: str) -> None:
    """``name``: relative to ``models/``."""
    for opened in _recordings:
        opened.setdefault(name, signature(path))
    if name.endswith(".pkl") and os.sep not in name and not is_reading():
        check_binary(Path(path))


def have_changed(models: Path, opened: Opened) -> bool:
    """Whether one of the ``opened`` files of models is not what it was when it was opened."""
    return any(_SUFFIXES.search(name) and signature(models / name) != then for name, then in opened.items())


def served_models(models: Path, opened: Opened) -> tuple[ServedModel, ...]:
    """The models that the ``opened`` files below ``models`` are of, by name; files that are no model's are left out.

    Raises:
        ModelUnavailable: a record that cannot be read.
    """
    found = []
    for name in sorted(model_names({name for name in opened if _SUFFIXES.search(name)})):
        binary = models / f"{name}.pkl"
        record = read_record(binary) or {}
        digest = str(record.get("sha256") or "")
        if not digest or (binary.name in opened and "replaces" in record):  # which of the two is it?
            digest = _hash(binary)
        if digest:
            found.append(ServedModel(name, digest[:VERSION_DIGITS], presentable(record)))
    return tuple(found)


def model_names(files: Iterable[str]) -> set[str]:
    """The models that files below ``models/`` belong to: ``rf`` of ``rf.pkl``, ``rf.json``, ``rf.<hash>.onnx``."""
    return {_SUFFIXES.sub("", _LINKED.sub("", name)) for name in files}


def _hash(binary: Path) -> str:
    try:
        return sha256(binary)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ModelUnavailable(f"{binary}: cannot be read ({error.strerror})", "check its permissions") from None
