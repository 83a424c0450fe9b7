"""Which files below ``models/`` a route's function opens: its version, and what makes it stale, follow from them.

Functions open their files by ``models.binaries`` or, as historical ones do, by themselves. An audit hook (PEP 578) sees
both. Where Python's own functions are called for it, verified bytes are handed out (``verified_opens``). What a library
opens in C is not seen: the files of such a model are compared when it is loaded.
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

from trainyard.contract.model_files import BESIDE_JSON, BINARY, digest_of, is_record
from trainyard.contract.records import LINKED, Record, binary_path, is_reading, record_path
from trainyard.errors import ModelUnavailable
from trainyard.image.serve.prediction import replaced_opens as opening
from trainyard.image.serve.prediction import surroundings
from trainyard.image.serve.prediction.file_owners import is_looking, owners
from trainyard.image.serve.prediction.page_values import presentable
from trainyard.image.serve.prediction.verified_opens import Signature, check_model, check_opened, sha256, signature

VERSION_DIGITS = 12  # of the sha256 of a binary
_SUFFIXES = re.compile(rf"(\.[0-9a-f]{{12}}\.onnx|{re.escape(BINARY)}|{re.escape(BESIDE_JSON)}|\.json)$")
_LINKED = re.compile(rf"^{re.escape(LINKED)}/[^/]+/")
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

# The files below models/ that were opened to read them, and what they were then.
Opened = dict[str, Signature | None]

_models = Path("models")  # absolute once something was recorded
_prefixes: tuple[str, ...] = ()  # of paths below it, as they may be named; empty before
_recordings: list[Opened] = []


@dataclass(frozen=True)
class ServedModel:
    """A model that a route answers by; ``version``: the first digits of the sha256 of its binary, or of its files."""

    name: str
    version: str
    record: Record


@contextlib.contextmanager
def recording(models: Path) -> Iterator[Opened]:
    """The files below ``models`` that this process opens meanwhile, by their names relative to it.

    From the first call on, files of models there are verified before they are opened.
    """
    global _prefixes, _models
    if not _prefixes:
        sys.addaudithook(_on_event)
        opening.replace_open(_name_of)
    found = os.path.abspath(models) + os.sep, os.path.realpath(models) + os.sep  # noqa: PTH100 -- with its links
    _prefixes = tuple(dict.fromkeys(found))
    _models = Path(found[0])
    opened: Opened = {}
    _recordings.append(opened)
    try:
        yield opened
    finally:
        _recordings.pop()


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or is_looking():
        if event in surroundings.EVENTS:
            surroundings.note(event, arguments)
        return
    path, flags = arguments[0], arguments[-1]
    if not isinstance(path, (str, bytes, os.PathLike)):  # a file that is open already
        return
    if isinstance(flags, int) and flags & _ACCESS != os.O_RDONLY:
        return
    if found := _name_of(os.fsdecode(path)):
        _note(found[1])
        if not is_reading():
            check_opened(*found)


def _name_of(path: str) -> tuple[Path, str] | None:
    """``models/``, and the name in it of a file below; None for all other paths."""
    absolute = os.path.abspath(path)  # noqa: PTH100 -- as it was named
    for prefix in _prefixes:
        if absolute.startswith(prefix):
            return _models, absolute[len(prefix) :]
    return None


def _note(name: str) -> None:
    """A file of a model is opened; what its record says is a part of what was opened."""
    if not _recordings:
        return
    owner = owners(_models).get(name)
    names = [name] if owner is None else [name, record_path(binary_path(_models, owner)).name]
    for opened in _recordings:
        for each in names:
            opened.setdefault(each, signature(_models / each))


def compare_files(models: Path, model_name: str) -> None:
    """Compare the files of a model that is no pickle, whoever opens them, and note them as opened.

    Raises:
        ModelUnavailable: one is not the recorded one, or the record cannot be read.
    """
    for name in check_model(models, model_name)[1] if model_name else ():
        _note(name)


def have_changed(models: Path, opened: Opened) -> bool:
    """Whether one of the ``opened`` files of models is not what it was when it was opened."""
    named = owners(models)
    return any(
        signature(models / name) != then for name, then in opened.items() if name in named or _SUFFIXES.search(name)
    )


def served_models(models: Path, opened: Opened) -> tuple[ServedModel, ...]:
    """The models that the ``opened`` files below ``models`` are of, by name; files that are no model's are left out.

    Raises:
        ModelUnavailable: a record that cannot be read, or a file that is not the recorded one.
    """
    named = owners(models)
    found = []
    for name in sorted(model_names({name for name in opened if name in named or _SUFFIXES.search(name)}, models)):
        binary = binary_path(models, name)
        if not _is_model(binary):
            continue
        record, files = check_model(models, name)
        digest = digest_of(files) if files else str(record.get("sha256") or "")
        if not digest or (not files and binary.name in opened and "replaces" in record):  # which of the two is it?
            digest = _hash(binary)
        if digest:
            found.append(ServedModel(name, digest[:VERSION_DIGITS], presentable(record)))
    return tuple(found)


def _is_model(binary: Path) -> bool:
    """Whether there is more to it than a JSON file of somebody's."""
    return binary.exists() or is_record(record_path(binary))


def model_names(files: Iterable[str], models: Path | None = None) -> set[str]:
    """The models that files below ``models/`` belong to: ``rf`` of ``rf.pkl``, ``rf.json``, ``rf.<hash>.onnx``, and of
    whatever the record of ``rf`` names."""
    return set(models_by_file(files, models).values())


def models_by_file(files: Iterable[str], models: Path | None = None) -> dict[str, str]:
    """The same, by file. Records may be read for it: ask once for many files."""
    named = owners(models or _models)
    return {name: named.get(name) or _SUFFIXES.sub("", _LINKED.sub("", name)) for name in files}


def _hash(binary: Path) -> str:
    try:
        return sha256(binary)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ModelUnavailable(f"{binary}: cannot be read ({error.strerror})", "check its permissions") from None
