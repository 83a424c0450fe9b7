"""The records of what a training wrote: what the function's own say, what we know, and what the files are."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from trainyard.contract.files import read_json, sha256_of, write_whole
from trainyard.contract.model_files import BESIDE_JSON, BINARY, Files, digest_of, files_of, is_record, more_files
from trainyard.contract.records import Record, binary_path, dump_record, read_record
from trainyard.errors import ModelUnavailable

JSON = ".json"


def own_records(models: Path, changed: Collection[str], model_name: str) -> set[str]:
    """Which of the ``changed`` entries are records that the function wrote itself: of a binary, or of the model."""
    stems = {entry.removesuffix(BINARY) for entry in changed if entry.endswith(BINARY)} | {model_name}
    return {f"{stem}{JSON}" for stem in stems if f"{stem}{JSON}" in changed and is_record(models / f"{stem}{JSON}")}


def record_name(model_name: str, changed: Collection[str], own: Collection[str]) -> str:
    """Of the record's file: another one where the training wrote a ``<model_name>.json`` that is no record."""
    plain = f"{model_name}{JSON}"
    return f"{model_name}{BESIDE_JSON}" if plain in changed and plain not in own else plain


def complete(path: Path, model_name: str, files: Files, own: Record, facts: Record, replaced: Path | None) -> None:
    """Write the record of ``files`` to ``path``, in the folder that they lie in.

    Args:
        path: of the record.
        model_name: the model.
        files: all of the model's.
        own: what the function recorded itself.
        facts: what is known of the training.
        replaced: the folder in which the files will take the place of others; None where they are in place.
    """
    known = {key: value for key, value in facts.items() if value is not None}
    sha256 = files.get(f"{model_name}{BINARY}") or digest_of(files)
    record = own | known | {"model_name": model_name, "sha256": sha256, "files": files}
    record.pop("replaces", None)
    record.pop("replaces_files", None)
    if replaced is not None:
        record |= _replaced(binary_path(replaced, model_name), more_files(record, model_name))
    write_whole(path, dump_record(record))
    drop_other_record(path)


def drop_other_record(path: Path) -> None:
    """Where a record is at ``<name>.json``, one at ``<name>.record.json`` is of a version before it."""
    if not path.name.endswith(BESIDE_JSON):
        path.with_name(path.name.removesuffix(JSON) + BESIDE_JSON).unlink(missing_ok=True)


def own_record(models: Path, model_name: str, own: Collection[str]) -> Record:
    """What the function itself recorded of a model; nothing where it wrote no record."""
    name = f"{model_name}{JSON}"
    found: Record = read_json(models / name)[0] if name in own else {}
    return found


def previous_files(binary: Path) -> Files:
    """The files of the model that is in ``models/`` now; none where nobody knows."""
    with contextlib.suppress(ModelUnavailable):
        return files_of(read_record(binary) or {}, binary.name.removesuffix(BINARY))
    return {}


def _replaced(binary: Path, more: Files) -> Record:
    """What a training that is killed while files are moved leaves the old one of, so that it still loads."""
    found: Record = {"replaces": sha256_of(binary)} if binary.is_file() else {}
    before = previous_files(binary)
    if more or more_files({"files": before}, binary.name.removesuffix(BINARY)):
        found["replaces_files"] = before
    return found
