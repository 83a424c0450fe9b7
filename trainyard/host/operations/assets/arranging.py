"""From what was unpacked to a folder like ``models/``: the files of one model, and a record that vouches for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainyard.contract.files import read_json, sha256_of
from trainyard.contract.model_files import (
    BINARY,
    Files,
    check_named,
    declared_files,
    files_of,
    hashed,
    is_of_model,
    is_record,
    record_name,
)
from trainyard.contract.records import dump_record, record_path
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.assets.sources import Source
from trainyard.host.operations.packaging.package_files import MANIFEST, MODELS

# Endings of data and of pages: a file that is fetched by itself gets the model's name, whatever it is.
_NO_MODEL = (".csv", ".tsv", ".parquet", ".feather", ".xlsx", ".xls", ".htm", ".html", ".md", ".pdf", ".log")
_SHOWN = 5  # names of an archive that a message lists


def arrange(unpacked: Path, models: Path, model: ModelDir, source: Source) -> None:
    """Move the model's files from ``unpacked`` to ``models``, which is made, and write its record there.

    Raises:
        TrainyardError: it is another model's, a file is not what the archive says, or none is this model's.
        OSError: no space, no permission.
    """
    if (unpacked / MANIFEST).is_file() and (manifest := _manifest(unpacked, source)):
        _check_manifest(unpacked, manifest, model, source)
        (unpacked / MODELS).rename(models)
    else:
        models.mkdir()
        _pick(_top(unpacked), models, model, source)
        _check_kind(models, model, source)
    record = _record(models, model, source)
    name = record_name(files_of(record, model.model_name), model.model_name)
    (models / name).write_text(dump_record({**record, "assets": source.facts}))


def _manifest(unpacked: Path, source: Source) -> dict[str, Any] | None:
    """That of a package of ours; None where the file is somebody else's."""
    try:
        found, _ = read_json(unpacked / MANIFEST)
    except (OSError, ValueError) as error:
        raise _refusal(source, f"its {MANIFEST} cannot be read ({error})") from None
    return found if isinstance(found, dict) and {"files", "model_name", "record"} <= found.keys() else None


def _check_manifest(unpacked: Path, manifest: dict[str, Any], model: ModelDir, source: Source) -> None:
    if manifest["model_name"] != model.model_name:
        raise _refusal(source, f"it is the model {manifest['model_name']!r}, not {model.model_name!r}")
    try:
        check_named(manifest["files"])
    except ValueError as error:
        raise _refusal(source, f"{MANIFEST}: {error}") from None
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()} - {MANIFEST}
    if other := sorted(there ^ manifest["files"].keys()):
        raise _refusal(source, f"{other[0]} is in the archive or in its {MANIFEST}, not in both")
    for name, sha256 in manifest["files"].items():
        if sha256_of(unpacked / name) != sha256:
            raise _refusal(source, f"{name} is not what its {MANIFEST} says")
    if not there or not all(name.startswith(f"{MODELS}/") for name in there):
        raise _refusal(source, f"not all of its files are in {MODELS}/")


def _top(unpacked: Path) -> Path:
    """The folder that has the files: archives have one around them, or none."""
    entries = list(unpacked.iterdir())
    while len(entries) == 1 and entries[0].is_dir():
        unpacked = entries[0]
        entries = list(unpacked.iterdir())
    return unpacked


def _pick(folder: Path, models: Path, model: ModelDir, source: Source) -> None:
    """Take what config.yaml names by ``files``, else what is called after the model."""
    name = model.model_name
    declared = declared_files(model.environment)
    for inside, outside in source.files.items():
        path, target = folder / inside, models / outside
        if not path.exists():
            raise _refusal(source, f"there is no {inside} in it", f"it has {_shown(folder)}: correct files:")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    for path in () if source.files else sorted(folder.iterdir()):
        if is_of_model(path.name, name, declared):
            path.rename(models / path.name)
    if not any(models.iterdir()):
        fix = f"say which file is the model, with files: {{<name in the archive>: {name}{BINARY}}}"
        raise _refusal(source, f"nothing in it is called {name}*; it has {_shown(folder)}", fix)


def _check_kind(models: Path, model: ModelDir, source: Source) -> None:
    """Raises:
    TrainyardError: there is nothing but data, which no server could load."""
    declared = declared_files(model.environment)
    names = sorted(path.name for path in models.iterdir())
    if all(name.endswith(_NO_MODEL) and name not in declared for name in names):
        fix = f"publish {model.model_name}{BINARY}, or an archive that has it; MODEL_FILES declares other files"
        raise _refusal(source, f"a {Path(names[0]).suffix} file is no model", fix)


def _shown(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


def _record(models: Path, model: ModelDir, source: Source) -> dict[str, Any]:
    """The record that came along; one of the files' hashes where none did: what the archive's own hash vouched for."""
    name, path = model.model_name, record_path(models / f"{model.model_name}{BINARY}")
    if path.is_file() and is_record(path):
        found, _ = read_json(path)
        if found.get("model_name", name) != name:
            raise _refusal(source, f"its record is of the model {found['model_name']!r}, not of {name!r}")
        _check_record(models, name, found, source)
        return dict(found)
    files = hashed(models, [entry.name for entry in models.iterdir()])
    record: dict[str, Any] = {"model_name": name, "files": files}
    return record | ({"sha256": files[f"{name}{BINARY}"]} if f"{name}{BINARY}" in files else {})


def _check_record(models: Path, name: str, record: dict[str, Any], source: Source) -> None:
    try:
        files: Files = files_of(record, name)
        check_named(files)
        wrong = [path for path, sha256 in files.items() if sha256_of(models / path) != sha256]
    except (OSError, ValueError) as error:
        reason = getattr(error, "filename", None) or error
        raise _refusal(source, f"a file that its record names is not there ({reason})") from None
    if wrong or not files:
        what = f"{wrong[0]} is not what its record says" if wrong else "its record names no file"
        raise _refusal(source, what)


def _refusal(source: Source, what: str, fix: str = "publish it again") -> TrainyardError:
    return TrainyardError(f"{source.place}: {json.dumps(what)[1:-1] if not what.isprintable() else what}", fix,
                          EXIT_FAILED)  # fmt: skip
