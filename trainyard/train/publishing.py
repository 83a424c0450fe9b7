"""A finished training's files move from its staging folder to ``models/``, each by one rename, records first."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trainyard.files import promote, sha256_of, write_whole
from trainyard.records import Record, dump_record, read_record, record_path, remove_old_compiled
from trainyard.run_folder import MOUNT
from trainyard.train.kept import keep_in_run
from trainyard.train.staging import Staging, Stamp, locked, stamp

BINARY = ".pkl"


class Written(NamedTuple):
    """One binary that a training left in ``models/``; ``size`` in bytes."""

    name: str
    size: int
    sha256: str


def publish_all(staged: Staging, facts: Record) -> list[Written]:
    """Move everything that the function wrote to its place, binaries with their completed records.

    Two trainings of one model take turns, so that the later one's pair is whole.

    Raises:
        OSError: no space, no permission; a binary that was not renamed yet stays the old one.
        ModelUnavailable: the function wrote a record that is not a JSON object.
    """
    models = staged.sources / "models"
    staged.resolve_links()
    changed = staged.written()
    binaries = [path for path in changed if path.suffix == BINARY]
    with locked(models):
        written = [_complete(binary, _own_record(binary, changed), facts, models / binary.name) for binary in binaries]
        if staged.model_name in [Path(one.name).stem for one in written]:
            keep_in_run(staged.sources / MOUNT, staged.models, staged.model_name)  # a full disk changes no models/
        records = [record_path(binary) for binary in binaries]
        others = [path for path in changed if path not in binaries and path not in records]
        for path in (*others, *_paired(records, binaries)):
            promote(path, models / path.name)
        for binary in written:
            placed = models / binary.name
            remove_old_compiled(models, placed.stem, read_record(placed) or {})
        for folder in staged.folders():
            folder.rename(models / folder.name)
    return written


def _paired(records: list[Path], binaries: list[Path]) -> Iterator[Path]:
    for record, binary in zip(records, binaries, strict=True):
        yield record
        yield binary


def _own_record(staged: Path, changed: list[Path]) -> Record:
    """What the function itself recorded of a binary; a record that it did not write is of the binary before."""
    return (read_record(staged) if record_path(staged) in changed else None) or {}


def _complete(binary: Path, own: Record, facts: Record, replaced: Path | None) -> Written:
    """Write the record beside ``binary``: what the function's own says, and what we know."""
    written = Written(binary.name, binary.stat().st_size, sha256_of(binary))
    known = {key: value for key, value in facts.items() if value is not None}
    record = own | known | {"model_name": binary.stem, "sha256": written.sha256}
    record.pop("replaces", None)
    if replaced and replaced.is_file():
        record["replaces"] = sha256_of(replaced)
    write_whole(record_path(binary), dump_record(record))
    return written


def stamp_of(binary: Path) -> Stamp | None:
    """The stamp of a binary that may be absent."""
    with contextlib.suppress(FileNotFoundError):
        return stamp(binary)
    return None


def record_in_place(binary: Path, before: Stamp | None, facts: Record) -> Written | None:
    """Record a binary that the function wrote to its place itself, by an absolute path; None where it did not."""
    if stamp_of(binary) in (before, None):
        return None
    with locked(binary.parent):
        own = read_record(binary) or {}
        written = _complete(binary, own if own.get("sha256") == sha256_of(binary) else {}, facts, None)
        keep_in_run(binary.parent.parent / MOUNT, binary.parent, binary.stem)
        return written


def keep_beside(staged: Staging) -> list[str]:
    """Move what the function wrote beside ``models/`` into the sources; returns the names that could not be moved."""
    lost = []
    for path in staged.beside():
        try:
            shutil.move(path, staged.sources / path.name)
        except (OSError, shutil.Error):
            lost.append(path.name)
    return lost
