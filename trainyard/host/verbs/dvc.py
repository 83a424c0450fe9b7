"""make dvc: a pipeline for each project, from its model directories."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import read_text, write_whole
from trainyard.host.experiments.dvc_files import FILE, IGNORE, ignore_text, pipeline
from trainyard.host.operations.dvc_notes import models_in
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def write_pipelines(session: Session, _folder: Path) -> None:
    """Write dvc.yaml of every project, and .dvcignore, where they are not as they should be."""
    repository = session.repository
    wanted = {repository.root / IGNORE: ignore_text(repository.root / IGNORE)}
    for project in repository.projects():
        if text := pipeline(models_in(repository, project)):
            wanted[project / FILE] = text
    changed = {path: text for path, text in wanted.items() if not path.is_file() or read_text(path) != text}
    for path, text in changed.items():
        console.result(f"{'would write' if session.commands.dry_run else 'wrote'} {session.short(path)}")
        if not session.commands.dry_run:
            write_whole(path, text)
    if not changed:
        session.reporter.step(f"Up to date: {len(wanted) - 1} pipeline(s)")
