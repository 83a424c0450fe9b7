"""Which files a model consists of: those that its record names, each by its path below ``models/`` and its sha256.

A model is what training wrote: ``models/<name>.pkl``, its compiled form, and any files and folders whose names begin
with ``<name>``; or, in place of the latter, those that MODEL_FILES in ``.s2i/environment`` declares.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from trainyard.contract.environment import Environment
from trainyard.contract.files import read_json, sha256_of
from trainyard.errors import TrainyardError

KEY = "MODEL_FILES"
# Below models/: a folder for each model with its compiled form; DVC knows no file whose name changes.
COMPILED = ".compiled"
BINARY = ".pkl"
ENCODER = ".encoder.json"  # ends the name of what stands beside the file of a library (trainyard.models.native_files)
BESIDE_JSON = ".record.json"  # ends the name of a record where the model itself is <name>.json
_MODEL_NAME = re.compile(r"\w[\w. +-]*")
_COMPILED = re.compile(r"\.[0-9a-f]{12}\.onnx")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A JSON object with one of these is a record; one with none of them may be a model, as XGBoost writes it.
_OF_RECORDS = frozenset({"model_name", "sha256", "metrics", "params", "dataset", "sample", "schema", "compiled"})

Files = dict[str, str]  # path below models/ -> sha256


def is_model_name(name: object) -> bool:
    """Whether files can be called after it, in the folder that is meant and in no other."""
    return isinstance(name, str) and bool(_MODEL_NAME.fullmatch(name))


def check_model_name(payload: Mapping[str, Any]) -> None:
    """Look at the ``model_name`` of a payload, which need not have one.

    Raises:
        TrainyardError: no file can be called after it.
    """
    name = payload.get("model_name")
    if name is not None and not is_model_name(name):
        raise TrainyardError(
            f"PAYLOAD: the model_name {name!r} cannot be a file name", "use letters, digits, '.', '_' and '-'"
        )


def declared_files(environment: Environment) -> tuple[str, ...]:
    """The names in ``models/`` that MODEL_FILES declares, separated by commas; none: those that begin with the name.

    Raises:
        TrainyardError: one of them is not the name of a file or folder right below ``models/``.
    """
    names = tuple(name for part in environment.get(KEY, "").split(",") if (name := part.strip().rstrip("/")))
    for name in names:
        if "/" in name or name.startswith("."):
            raise TrainyardError(
                f"{environment.where(KEY)}: {KEY} {name!r} is not the name of a file or folder in models/",
                "name what lies in models/ itself, as model.ubj or tokenizer",
            )
    return names


def is_of_model(entry: str, model_name: str, declared: tuple[str, ...] = ()) -> bool:
    """Whether a file or folder of that name in ``models/``, written by the model's training, is a part of the model."""
    rest = entry.removeprefix(model_name)
    if not model_name or (rest == entry and entry not in declared):
        return False
    if rest == BINARY or is_compiled(entry, model_name) or entry in declared:
        return True
    return not declared and not rest[:1].isalnum()


def is_record(path: Path) -> bool:
    """Whether a JSON file is the record of a model, and not a model, or a part of one."""
    try:
        found, _ = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and not _OF_RECORDS.isdisjoint(found)


def files_of(record: Mapping[str, Any], model_name: str) -> Files:
    """The files that a record names. Older records name the binary and the compiled form alone."""
    if isinstance(found := record.get("files"), dict):
        return dict(found)
    files = {f"{model_name}{BINARY}": str(record["sha256"])} if "sha256" in record else {}
    if sha256 := compiled_sha256(record):
        files[compiled_name(model_name, sha256)] = sha256
    return files


def check_named(files: Any) -> None:
    """Raises:
    ValueError: it is not a mapping of paths below ``models/`` to their sha256."""
    if not isinstance(files, dict):
        raise ValueError("its files are not a JSON object")
    for path, sha256 in files.items():
        parts = PurePosixPath(path).parts
        plain = str(PurePosixPath(path)) == path and "\0" not in path
        if not parts or not plain or path.startswith("/") or ".." in parts:
            raise ValueError(f"it names {path!r}, which is not a path below models/")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise ValueError(f"it has no sha256 of {path}")


def compiled_name(model_name: str, sha256: str) -> str:
    """``<name>.<hash>.onnx``: named by its content, so that a new one can lie beside the one that is still served."""
    return f"{model_name}.{sha256[:12]}.onnx"


def is_compiled(entry: str, model_name: str) -> bool:
    """Whether a file of that name in ``models/`` is a compiled form of the model."""
    return entry.startswith(model_name) and bool(_COMPILED.fullmatch(entry.removeprefix(model_name)))


def file_path(models: Path, model_name: str, path: str) -> Path:
    """Where a file of a model lies: below ``models``, but for a compiled form that DVC alone has brought back."""
    there, kept = models / path, models / COMPILED / model_name / path
    return kept if is_compiled(path, model_name) and not there.exists() and kept.exists() else there


def compiled_sha256(record: Mapping[str, Any]) -> str:
    """Of the compiled form that a record names; empty where it names none."""
    compiled = record.get("compiled")
    return str(compiled["sha256"]) if isinstance(compiled, dict) and "sha256" in compiled else ""


def more_files(record: Mapping[str, Any], model_name: str) -> Files:
    """The files beside the binary and the compiled form; none for a model that is a pickle."""
    return {
        path: sha256
        for path, sha256 in files_of(record, model_name).items()
        if path != f"{model_name}{BINARY}" and not is_compiled(path, model_name)
    }


def record_name(files: Iterable[str], model_name: str) -> str:
    """Of the file of a record: another one than ``<model_name>.json`` where that is a file of the model."""
    plain = f"{model_name}.json"
    return f"{model_name}{BESIDE_JSON}" if plain in files else plain


def version_of(record: Mapping[str, Any], model_name: str) -> str:
    """The sha256 that tells one version of a model from another: the binary's, or one over all files where it has
    others; empty where the record names none."""
    if not more_files(record, model_name):
        return str(record.get("sha256") or "")
    return digest_of(files_of(record, model_name))


def digest_of(files: Mapping[str, str]) -> str:
    """One sha256 over files: of the lines that sha256sum(1) prints for them, sorted by path."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def paths_below(entry: Path) -> Iterator[Path]:
    """The file itself, or every file of the folder, sorted; what is no folder counts as a file."""
    if not entry.is_dir():
        yield entry
        return
    for parent, folders, names in os.walk(entry):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def hashed(models: Path, entries: Iterable[str]) -> Files:
    """The files of some entries of ``models``, each with its sha256.

    Raises:
        OSError: one cannot be read, or is no regular file.
    """
    paths = (path for entry in sorted(entries) for path in paths_below(models / entry))
    return {path.relative_to(models).as_posix(): sha256_of(path) for path in paths}


def recorded_files(models: Path) -> dict[str, str]:
    """The files that the records in a folder name, by their paths in it, with the model that each is of."""
    return {path: model for record in sorted(models.glob("*.json")) for path, model in files_named_by(record).items()}


def files_named_by(path: Path, *, links: bool = True) -> dict[str, str]:
    """The same of one record; nothing where it is none, cannot be read, or is a link and ``links`` is not set."""
    with contextlib.suppress(OSError, ValueError):
        record, _ = read_json(path, None if links else path.parent)
        name = record.get("model_name") if isinstance(record, dict) else None
        if isinstance(name, str) and "files" in record:
            check_named(record["files"])
            return dict.fromkeys(record["files"], name)
    return {}


def replaced_files(record: Mapping[str, Any], model_name: str) -> Files:
    """The files of the version that a record's own takes the place of, as far as that is known."""
    if isinstance(found := record.get("replaces_files"), dict):
        return dict(found)
    return {f"{model_name}{BINARY}": str(record["replaces"])} if "replaces" in record else {}
