"""The files of a model that is renamed: in ``models/``, and those that its runs have kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from trainyard.contract.model_files import BINARY, COMPILED, is_record
from trainyard.contract.records import dump_record
from trainyard.contract.renamed_models import renamed_path, renamed_record, renamed_record_name
from trainyard.contract.run_folder import MODEL, RECORD
from trainyard.host.experiments.run_files import FOLDER, TRAINED_AS, Run, runs_of
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.moving.plans import Step
from trainyard.host.scaffold.moving.rename_journal import Journal
from trainyard.host.support.shared_folder import SharedFolder


def in_the_way(session: Session, journal: Journal) -> Iterator[str]:
    """What has the new names already."""
    source, target = _folders(session, journal)
    for entry in journal.files:
        new = renamed_path(entry, *journal.model_name)
        if (source.path, entry) != (target.path, new) and target.path.is_dir() and target.has(new):
            yield session.short(target.path / new)


def steps(session: Session, journal: Journal) -> Iterator[Step]:
    """Files of ``models/``, the record first, then runs."""
    source, target = _folders(session, journal)
    entries = sorted(journal.files, key=lambda entry: not _is_record(source, entry, journal.model_name[0]))
    for entry in entries:
        new = renamed_path(entry, *journal.model_name)
        if (source.path, entry) != (target.path, new) and source.has(entry):
            do = partial(_move_entry, source, target, entry, journal)
            what = f"{session.short(source.path / entry)} -> {session.short(target.path / new)}"
            yield Step("model", what, do, source.size(entry), needed=True)
    old, new_place = journal.places
    runs = [run for project in {old.project, new_place.project} for run in _runs(session, project, str(old))]
    if runs:
        yield Step(
            "run",
            f"{len(runs)} run(s) of {old} become runs of {new_place}",
            partial(_rename_runs, session, runs, journal),
        )


def _folders(session: Session, journal: Journal) -> tuple[SharedFolder, SharedFolder]:
    root = session.repository.root
    first, second = (SharedFolder(place.path(root).parent / "models") for place in journal.places)
    return first, second


def _is_record(folder: SharedFolder, entry: str, name: str) -> bool:
    return entry.endswith(".json") and folder.is_file(entry) and is_record(folder.path / entry)


def _move_entry(source: SharedFolder, target: SharedFolder, entry: str, journal: Journal) -> None:
    old, new = journal.model_name
    if not source.has(entry):
        return
    target.path.mkdir(exist_ok=True)
    to = renamed_path(entry, old, new)
    if entry.startswith(f"{COMPILED}/"):
        target.make_folder(COMPILED)
    if _is_record(source, entry, old) and old != new:
        record = renamed_record(_json(source, entry), old, new)
        target.write(renamed_record_name(entry, record, new), dump_record(record))
        source.remove(entry)
    elif source.path == target.path:
        source.rename(entry, to)
    else:
        _below(source).rename(f"{source.path.parent.name}/models/{entry}", f"{target.path.parent.name}/models/{to}")
    if entry.startswith(f"{COMPILED}/") and old != new:
        for name in target.names(to):
            target.rename(f"{to}/{name}", f"{to}/{renamed_path(name, old, new)}")


def _below(folder: SharedFolder) -> SharedFolder:
    """All projects."""
    return SharedFolder(folder.path.parent.parent)


def _json(folder: SharedFolder, name: str) -> dict[str, Any]:
    found = folder.read_json(name)
    return found if isinstance(found, dict) else {}


def _runs(session: Session, project: str, name: str) -> list[Run]:
    folder = session.repository.root / "projects" / project
    return [run for run in runs_of([folder], session.reporter) if isinstance(run, Run) and run.model == name]


def _rename_runs(session: Session, runs: list[Run], journal: Journal) -> None:
    """Each by itself: what of one cannot be read is a warning."""
    failed = 0
    for run in runs:
        try:
            _rename_run(session, run, journal)
        except OSError as error:
            failed += 1
            session.reporter.warn(f"{run.folder}: {error}")
    if failed:
        raise OSError(f"{failed} of {len(runs)} could not be renamed")


def _rename_run(session: Session, run: Run, journal: Journal) -> None:
    old, new = journal.model_name
    (_, place), files = journal.places, run.files
    home = place.path(session.repository.root).parent / FOLDER
    if run.folder.parent != home:
        home.mkdir(parents=True, exist_ok=True)
        run.folder.rename(home / run.id)
        run = Run(**{**vars(run), "folder": home / run.id})
        files = run.files
    if run.model_name == old and old != new:
        with contextlib.suppress(FileNotFoundError):
            _rename_kept(files, old, new)
        run = Run(**{**vars(run), "model_name": new})
    # Its commit has the model where it was then.
    run.saved(model=str(place), tags={TRAINED_AS: run.model, **run.tags})


def _rename_kept(files: SharedFolder, old: str, new: str) -> None:
    """The record first: it says which the others are."""
    record = renamed_record(_json(files, RECORD), old, new)
    kept = SharedFolder(files.base, f"{files.name}/{MODEL}")
    for entry in kept.names() if files.has(MODEL) else ():
        to = renamed_path(entry, old, new)
        if entry.endswith(".json") and entry != f"{old}{BINARY}" and _looks_like(kept, entry):
            content = renamed_record(_json(kept, entry), old, new)
            kept.write(renamed_record_name(entry, content, new), dump_record(content))
            if renamed_record_name(entry, content, new) != entry:
                kept.remove(entry)
        elif to != entry:
            kept.rename(entry, to)
    files.write(RECORD, dump_record(record))


def _looks_like(folder: SharedFolder, entry: str) -> bool:
    found = _json(folder, entry)
    return "sha256" in found and "model_name" in found
