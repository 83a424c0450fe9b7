"""Files of a project that list its models: ``all/`` Makefiles, ``dvc.yaml``, ``training_metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trainyard.contract.files import read_text, write_whole
from trainyard.errors import TrainyardError
from trainyard.host.experiments import dvc_files
from trainyard.host.experiments.training_metrics import FOLDER, LIMIT, SUMMARY
from trainyard.host.monorepo.model_dir import ModelDir, read_variables
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.model_places import Place
from trainyard.host.scaffold.moving.plans import Plan, Step
from trainyard.host.scaffold.moving.source_edits import edited_members
from trainyard.host.support.locking import locked
from trainyard.host.support.text_diff import text_diff

Edits = dict[Path, str]  # the new text of a file; empty: it goes


def without_member(session: Session, model: ModelDir, place: Place, plan: Plan) -> Edits:
    """The Makefiles of all/ folders, without the model, or without its project where that has no other."""
    return _members(session, plan, place, "", len(session.repository.model_paths(model.project)) == 1)


def renamed_member(session: Session, old: Place, new: Place, plan: Plan, *, last: bool) -> Edits:
    """The same with the new name in the place of the old one. ``last``: the old project has no other model."""
    if old.project == new.project:
        return _members(session, plan, old, new.model, is_last=False)
    return _members(session, plan, old, "", last)


def _members(session: Session, plan: Plan, place: Place, new: str, is_last: bool) -> Edits:
    root = session.repository.root
    wanted = [(root / "projects" / place.project / "all" / "Makefile", place.model, new)]
    if is_last:
        wanted.append((root / "all" / "Makefile", place.project, ""))
    edits = {}
    for path, old, to in wanted:
        if not path.is_file():
            continue
        value = read_variables(path).get("MODEL_DIRS")
        if value is None or old not in value.text.split():
            continue
        if value.text.split() == [old] and not to:
            plan.notes.append(f"edit {session.short(path)}: MODEL_DIRS names nothing else, and an empty one means all")
            continue
        edits[path] = edited_members(read_text(path), "MODEL_DIRS", old, to)
    return edits


def pipelines(session: Session, plan: Plan, projects: dict[Path, list[ModelDir]]) -> Edits:
    """The dvc.yaml of projects that have one, for the models that they are going to have."""
    edits = {}
    for project, models in projects.items():
        path = project / dvc_files.FILE
        if not path.is_file():
            continue
        text = read_text(path)
        if not text.startswith(dvc_files.HEADER):
            plan.notes.append(f"edit {session.short(path)}: make dvc did not write it")
            continue
        try:
            edits[path] = dvc_files.pipeline(models)
        except TrainyardError as error:
            plan.notes.append(f"{session.short(path)} stays as it is: {error}; then run make dvc")
    return {path: text for path, text in edits.items() if text != read_text(path)}


def without_metrics(session: Session, project: Path, name: str) -> Iterator[Step]:
    """What training_metrics/ and training_metrics.json have of a model."""
    for suffix in (".json", ".csv"):
        path = project / FOLDER / f"{name}{suffix}"
        if path.is_file():
            yield Step("metrics", session.short(path), partial(path.unlink, missing_ok=True))
    if name in _summary(project):
        yield Step(
            "metrics",
            f"{name} in {session.short(project / SUMMARY)}",
            partial(rename_in_summary, session, project, name),
        )


def rename_in_summary(session: Session, project: Path, name: str, to: Path | None = None, new: str = "") -> None:
    """Move a model's part of a project's summary to that of ``to``, under its new name; without one it goes."""
    with locked(session.repository.state / "locks" / f"metrics-{project.name}", SUMMARY, LIMIT, session.reporter):
        content = _summary(project)
        part = content.pop(name, None)
        if part is None:
            return
        if to == project:
            content[new] = part
        elif to:
            write_whole(to / SUMMARY, _json({**_summary(to), new: part}))
        if content:
            write_whole(project / SUMMARY, _json(content))
        else:
            (project / SUMMARY).unlink(missing_ok=True)


def _summary(project: Path) -> dict[str, object]:
    try:
        found = json.loads((project / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _json(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def write(path: Path, text: str) -> None:
    if text:
        write_whole(path, text)
    else:
        path.unlink(missing_ok=True)


def diff(session: Session, edits: Edits) -> str:
    """What the edits change, as ``diff -u`` shows it."""
    return "".join(
        f"{line}\n"
        for path, text in edits.items()
        for line in text_diff(read_text(path), text, f"a/{session.short(path)}", f"b/{session.short(path)}")
    )
