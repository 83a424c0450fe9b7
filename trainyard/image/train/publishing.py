"""A finished training's files move from its staging folder to ``models/``, each by one rename, records first."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from trainyard.contract.files import promote, promote_folder
from trainyard.contract.model_files import BINARY, KEY, Files, digest_of, hashed, is_compiled, recorded_files
from trainyard.contract.records import Record, binary_path, read_record, remove_old_compiled
from trainyard.contract.run_folder import MOUNT
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.image.train.completing_records import (
    complete,
    drop_other_record,
    own_record,
    own_records,
    previous_files,
    record_name,
)
from trainyard.image.train.copied_to_run import keep_in_run
from trainyard.image.train.staging import Staging, Stamps, locked, own_stamps


class Written(NamedTuple):
    """A file, or a folder of ``files`` files, that a training left in ``models/``; ``size`` in bytes."""

    name: str
    size: int
    sha256: str
    files: int = 1


class Recorded(NamedTuple):
    """A model that was written: its name, its record's file, the files and folders that it consists of."""

    model_name: str
    record: str
    entries: list[str]


def publish_all(staged: Staging, facts: Record) -> list[Written]:
    """Move everything that the function wrote to its place, each binary and the model with a completed record.

    Where it wrote no file of the model that it was asked for, nothing is moved. Two trainings of one model take turns,
    so that the later one's files are all of one version.

    Returns:
        The files and folders of models, the model's own first.

    Raises:
        OSError: no space, no permission; what was not moved yet stays the old one.
        TrainyardError: it did not write all that MODEL_FILES declares; nothing is moved.
    """
    models, name = staged.sources / "models", staged.model_name
    staged.resolve_links()
    staged.drop_irregular()
    changed = [path.name for path in staged.written()]
    records = own_records(staged.models, changed, name)
    own = [entry for entry in changed if staged.is_own(entry) and entry not in records]
    others = [entry for entry in changed if entry.endswith(BINARY) and entry != f"{name}{BINARY}"]
    with locked(models):
        files = hashed(staged.models, {*own, *others})
        of_model = {path: sha256 for path, sha256 in files.items() if path.partition("/")[0] in own}
        if name and not of_model:
            return []
        _check_declared(staged, own)
        parts = {entry.removesuffix(BINARY): ([entry], {entry: files[entry]}) for entry in others}
        if name:
            parts[name] = [entry for entry in own if entry not in others], of_model
        recorded, before = [], previous_files(binary_path(models, name))
        for stem, (entries, its_files) in parts.items():
            record = record_name(stem, changed, records)
            complete(staged.models / record, stem, its_files, own_record(staged.models, stem, records), facts, models)
            recorded.append(Recorded(stem, record, entries))
        keep_in_run(staged.sources / MOUNT, staged.models, name)  # a full disk changes no models/
        written = [_written(staged.models, entry, files) for entry in (*own, *(set(others) - set(own)))]
        _move_all(staged, changed, records, recorded)
        _remove_old(models, before.keys() - of_model.keys() - {one.record for one in recorded})
    return written


def _check_declared(staged: Staging, own: Collection[str]) -> None:
    if missing := [entry for entry in staged.declared if entry not in own]:
        raise TrainyardError(
            f"the training wrote no models/{', models/'.join(missing)}, which {KEY} declares",
            f"write it, or take it out of {KEY} in .s2i/environment",
            EXIT_FAILED,
        )


def _move_all(staged: Staging, changed: Collection[str], records: Collection[str], recorded: list[Recorded]) -> None:
    """Files that no record names, and compiled forms, which are named by their content; then record by record."""
    kept = {entry for one in recorded for entry in one.entries if not is_compiled(entry, one.model_name)}
    for entry in changed:
        if entry not in kept and entry not in records:
            _move(staged, entry)
    models = staged.sources / "models"
    for one in recorded:
        _move(staged, one.record)
        drop_other_record(models / one.record)
        for entry in sorted(kept.intersection(one.entries), key=lambda entry: entry.endswith(BINARY)):
            _move(staged, entry)
        remove_old_compiled(models, one.model_name, read_record(binary_path(models, one.model_name)) or {})


def _move(staged: Staging, entry: str) -> None:
    """Put a file or a folder in the place of what is there."""
    path, target = staged.models / entry, staged.sources / "models" / entry
    if target.is_dir() or (path.is_dir() and target.exists()):
        staged.replaced.mkdir(exist_ok=True)
        target.rename(staged.replaced / entry)
    if path.is_dir():
        promote_folder(path, target)
    else:
        promote(path, target)


def _remove_old(models: Path, paths: Iterable[str]) -> None:
    """Remove files of the model's version before that the new one does not have.

    A pickle stays, since it has a record of its own; so does what another model's record names.
    """
    gone = {path for path in paths if "/" in path or not path.endswith(BINARY)}
    if not gone:
        return
    gone -= recorded_files(models).keys()
    for path in gone:
        with contextlib.suppress(OSError):  # another's now, or a folder: nobody reads it
            (models / path).unlink(missing_ok=True)
        for parent in Path(path).parents[:-1]:
            with contextlib.suppress(OSError):  # not empty
                (models / parent).rmdir()


def _written(models: Path, entry: str, files: Files) -> Written:
    own = {path: sha256 for path, sha256 in files.items() if path.partition("/")[0] == entry}
    size = sum((models / path).stat().st_size for path in own)
    return Written(entry, size, own.get(entry) or digest_of(own), len(own))


def record_in_place(staged: Staging, before: Stamps, facts: Record) -> list[Written]:
    """Record what of the model the function wrote to its place itself, by an absolute path."""
    models, name = staged.sources / "models", staged.model_name
    now = own_stamps(models, name, staged.declared)
    changed = [entry for entry, stamps in now.items() if stamps and before.get(entry) != stamps]
    records = own_records(models, changed, name)
    own = sorted(set(changed) - records)
    if not own:
        return []
    with locked(models):
        files = hashed(models, own)
        found = read_record(binary_path(models, name)) or {}
        kept = found if found.get("sha256") == files.get(f"{name}{BINARY}") else own_record(models, name, records)
        complete(models / record_name(name, changed, records), name, files, kept, facts, None)
        keep_in_run(staged.sources / MOUNT, models, name)
    return [_written(models, entry, files) for entry in own]


def keep_beside(staged: Staging) -> list[str]:
    """Move what the function wrote beside ``models/`` into the sources; returns the names that could not be moved."""
    lost = []
    for path in staged.beside():
        try:
            shutil.move(path, staged.sources / path.name)
        except (OSError, shutil.Error):
            lost.append(path.name)
    return lost
