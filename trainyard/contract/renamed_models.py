"""A model that gets another name: its files, and what its record says of them.

A binary may hold the name that it was trained under, and nobody edits a pickle. So the record keeps all former names,
and ``load_model`` accepts those, too.
"""

from __future__ import annotations

from typing import Any

from trainyard.contract.model_files import (
    BESIDE_JSON,
    COMPILED,
    Files,
    digest_of,
    files_of,
    is_of_model,
    record_name,
    replaced_files,
)

FORMERLY = "formerly"  # of a record: the names that its model had before


def renamed_path(path: str, old: str, new: str) -> str:
    """The path below ``models/`` of a file of the model ``old``, when the model is called ``new``."""
    folder, slash, rest = path.partition("/")
    if folder == COMPILED and rest.partition("/")[0] == old:
        _, slash, inner = rest.partition("/")
        return f"{COMPILED}/{new}{slash}{renamed_path(inner, old, new) if inner else ''}"
    return f"{new}{folder.removeprefix(old)}{slash}{rest}" if is_of_model(folder, old) else path


def renamed_files(files: Files, old: str, new: str) -> Files:
    return {renamed_path(path, old, new): sha256 for path, sha256 in files.items()}


def renamed_record(record: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The record of the model ``old``, when it is called ``new``; the same record where it has that name already."""
    if old == new or record.get("model_name") == new:
        return record
    before = files_of(record, old)
    found = {**record, "model_name": new, FORMERLY: sorted({*record.get(FORMERLY, ()), old} - {new})}
    if "files" in record:
        found["files"] = renamed_files(before, old, new)
        if record.get("sha256") == digest_of(before):
            found["sha256"] = digest_of(found["files"])
    if "replaces_files" in record:
        found["replaces_files"] = renamed_files(replaced_files(record, old), old, new)
    return found


def renamed_record_name(name: str, record: dict[str, Any], new: str) -> str:
    """Of the file of that record, which has its new name already."""
    return f"{new}{BESIDE_JSON}" if name.endswith(BESIDE_JSON) else record_name(files_of(record, new), new)
