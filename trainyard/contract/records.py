"""A model binary and its record: ``models/<name>.pkl`` and, beside it, ``models/<name>.json``.

The record says what the binary is (sha256, model name, files) and where it came from (dataset, parameters, metrics,
lock, commit, versions, times). Nothing is unpickled before its sha256 was compared. A model may be of other files than
a pickle; where one of them is ``models/<name>.json`` itself, the record is ``models/<name>.record.json``.

Where training could compile the model, its compiled form lies beside them, and the record names it by its sha256.

The binary and its record cannot be replaced in one step, so the record goes first and names, as ``replaces``, the
sha256 of the binary that it is about to replace: a training killed between the two renames leaves a pair that loads.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trainyard.contract.baked_digests import check_baked
from trainyard.contract.files import open_regular, read_json, sha256_of
from trainyard.contract.model_files import (
    BESIDE_JSON,
    check_named,
    compiled_name,
    compiled_sha256,
    file_path,
    files_of,
    replaced_files,
)
from trainyard.errors import ModelUnavailable
from trainyard.settings.image import ImageSettings

Record = dict[str, Any]
LINKED = ".projects"  # below models/ of an image of several projects: where the links there lead to, by project

_log = logging.getLogger(__name__)
_warned: set[tuple[str, str]] = set()  # binaries, with the sha256 that was recorded, of which a warning was given
_thread = threading.local()  # ``reading``, ``handing_on``


class Compiled(NamedTuple):
    """A compiled model, or why there is none: ``content`` is then empty, and ``facts`` say it."""

    content: bytes
    facts: dict[str, Any]


def binary_path(models: Path, model_name: str) -> Path:
    """``models/<name>.pkl``."""
    return models / f"{model_name}.pkl"


def record_path(binary: Path) -> Path:
    """Where the record of ``models/<name>.pkl`` is: ``<name>.json``, or ``<name>.record.json`` where that is there."""
    stem = str(binary).removesuffix(".pkl")
    beside_json = f"{stem}{BESIDE_JSON}"
    return Path(beside_json if os.path.lexists(beside_json) else f"{stem}.json")


def read_record(binary: Path, *, links: bool = True) -> Record | None:
    """The record beside ``binary``; None where there is none. ``links``: whether one in its folder is followed.

    Raises:
        ModelUnavailable: the record is there but is not a JSON object, or not the one that was baked into the image.
    """
    path = record_path(binary)
    try:
        with reading():
            record, content = read_json(path, None if links else path.parent)
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        for key in {"files", "replaces_files"} & record.keys():
            check_named(record[key])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelUnavailable(f"{path}: not a readable JSON record ({reason})", "train the model again") from None
    check_baked(path, hashlib.sha256(content).hexdigest())
    return record


def dump_record(record: Record) -> str:
    """The text of a record file: sorted, so that equal records are equal bytes."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def read_compiled(models: Path, model_name: str, *, links: bool = True) -> bytes | None:
    """The compiled model that the record of ``models/<model_name>.pkl`` names, verified; None where it names none.
    ``links`` as for ``read_record``.

    Raises:
        ModelUnavailable: the record is unreadable or another model's, or the file is not there or not what it says.
    """
    binary = binary_path(models, model_name)
    record = read_record(binary, links=links)
    sha256 = compiled_sha256(record) if record else ""
    if record is None or not sha256:
        return None
    _check_name(binary, model_name, record)
    _check_packages(binary, record)
    name = compiled_name(model_name, sha256)
    path, link = file_path(models, model_name, name), record_path(binary)
    try:
        if (
            links and not path.exists() and link.is_symlink()
        ):  # in an image of several projects: the file lies where that leads
            path = file_path((models / link.readlink()).parent, model_name, name)
        with reading(), open_regular(path, None if links else models) as file:
            content = file.read()
    except OSError as error:
        raise ModelUnavailable(f"{path}: cannot be read ({error.strerror})", "train the model again") from None
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise _corrupt(path, actual, sha256)
    check_baked(path, actual)
    return content


def remove_old_compiled(models: Path, model_name: str, record: Record) -> None:
    """Remove the model's compiled files that ``record``, its present one, does not name."""
    kept = compiled_name(model_name, compiled_sha256(record))
    for path in models.glob(f"{glob.escape(model_name)}.{'[0-9a-f]' * 12}.onnx"):
        if path.name != kept:
            path.unlink(missing_ok=True)


def read_verified(models: Path, model_name: str) -> tuple[bytes, Record | None]:
    """The bytes of ``models/<model_name>.pkl``, checked against its record, and the record (None: none there).

    The bytes that were hashed are the bytes returned, so that nobody can swap the file between the two.

    Raises:
        ModelUnavailable: no binary, unreadable, empty, of another model, or not the bytes that were recorded.
    """
    binary = binary_path(models, model_name)
    try:
        with reading(), open_regular(binary) as file:
            content = file.read()
    except FileNotFoundError:
        raise ModelUnavailable(f"{binary}: no such model binary", "run make train") from None
    except OSError as error:
        raise ModelUnavailable(f"{binary}: cannot be read ({error.strerror})", "check its permissions") from None
    if not content:
        raise ModelUnavailable(f"{binary}: the file is empty", "train the model again")
    record = read_record(binary)
    check_sha256(binary, model_name, hashlib.sha256(content).hexdigest(), record)
    return content, record


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """This thread opens binaries to verify them: nobody else needs to, meanwhile."""
    before = is_reading()
    _thread.reading = True
    try:
        yield
    finally:
        _thread.reading = before


def is_reading() -> bool:
    """Whether this thread is within ``reading``."""
    return getattr(_thread, "reading", False)


@contextlib.contextmanager
def handing_on() -> Iterator[None]:
    """This thread reads models for another environment: it does not matter which packages are installed here."""
    before = getattr(_thread, "handing_on", False)
    _thread.handing_on = True
    try:
        yield
    finally:
        _thread.handing_on = before


def is_trained(binary: Path, *, links: bool = True) -> bool:
    """Whether there is a model: the binary, or, where its record names other files, all of those.

    Whether they are the recorded ones is looked at when they are used. ``links`` as for ``read_record``.
    """
    if binary.is_file():
        return True
    try:
        record = read_record(binary, links=links)
    except ModelUnavailable:
        return False
    files = files_of(record, binary.name.removesuffix(".pkl")) if record else {}
    return bool(files) and all(
        file_path(binary.parent, binary.name.removesuffix(".pkl"), path).is_file() for path in files
    )


def check_sha256(binary: Path, model_name: str, actual: str, record: Record | None) -> None:
    """Compare the hash of a binary with what was baked into the image, and with its record, as far as there are such.

    Raises:
        ModelUnavailable: it is another model's, or not the bytes that were baked in or recorded; with STRICT=1 also
            where it was trained with other packages.
    """
    check_baked(binary, actual)
    if record is None:
        return
    _check_name(binary, model_name, record)
    _check_packages(binary, record)
    if actual not in (record.get("sha256"), record.get("replaces")):
        raise _corrupt(binary, actual, str(record.get("sha256")))


def check_file(models: Path, path: str, model_name: str, actual: str, record: Record) -> None:
    """Compare the hash of any file with what the record of its model says of it; ``path`` is relative to ``models``.

    Raises:
        ModelUnavailable: as ``check_sha256``.
    """
    binary = binary_path(models, model_name)
    _check_name(binary, model_name, record)
    _check_packages(binary, record)
    recorded = files_of(record, model_name).get(path, "")
    if actual not in (recorded, replaced_files(record, model_name).get(path)):
        raise _corrupt(models / path, actual, recorded)


def files_in_place(
    models: Path, model_name: str, record: Record, sha256: Callable[[Path], str] = sha256_of
) -> dict[str, str]:
    """The files of the model, each with its sha256: all of the recorded version, or all of the one that it replaces.

    Raises:
        ModelUnavailable: one is missing or unreadable, or not the recorded one; some are of either version.
    """
    recorded, before = files_of(record, model_name), replaced_files(record, model_name)
    try:
        found = {path: sha256(file_path(models, model_name, path)) for path in recorded}
        if found != recorded and before:
            found = {path: sha256(file_path(models, model_name, path)) for path in before}
    except OSError as error:
        raise ModelUnavailable(
            f"{error.filename}: cannot be read ({error.strerror})", "train the model again"
        ) from None
    if found in (recorded, before):
        return found
    for path, actual in found.items():
        check_file(models, path, model_name, actual, record)
    raise ModelUnavailable(
        f"{models}: some files of {model_name} are of its new version, others of the one before", "train it again"
    )


def _corrupt(path: Path, actual: str, recorded: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{path}: corrupt, sha256 {actual[:12]} is not the recorded {recorded[:12]}",
        "train the model again, or restore the file",
    )


def _check_name(binary: Path, model_name: str, record: Record) -> None:
    recorded = record.get("model_name")
    if recorded and recorded != model_name:
        raise ModelUnavailable(f"{binary}: its record says it is {recorded!r}, not {model_name!r}", "run make train")


def _check_packages(binary: Path, record: Record) -> None:
    """Say once, or with STRICT=1 refuse, that a model was trained with other packages than this environment has."""
    if getattr(_thread, "handing_on", False):
        return
    from trainyard.contract.installed_versions import (
        difference,  # a build, which loads nothing, does not wait for what reads metadata
    )

    if not (others := difference(record)):
        return
    message, fix = f"{binary}: trained with other versions of packages: {others}", "train it again, or build it again"
    if ImageSettings.read().strict:
        raise ModelUnavailable(f"{message} (STRICT=1)", fix)
    key = str(binary), str(record.get("sha256"))
    if key not in _warned:
        _warned.add(key)
        _log.warning("%s: %s", message, fix)
