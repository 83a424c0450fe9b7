"""Which runs ID and MODEL name."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.experiments.run_files import Run, find_run
from trainyard.host.operations.session import Session


def asked_run(session: Session, folder: Path) -> Run:
    """The run ID of a model, or of all; the latest where none is named."""
    own, projects = asked_model(session, folder)
    return find_run(projects, session.experiments.run_id or "latest", session.reporter, own)


def asked_model(session: Session, folder: Path) -> tuple[str, list[Path]]:
    """The one model whose runs are meant, empty for all, and the projects to look in."""
    if folder == session.repository.root:
        return "", session.repository.projects()
    return f"{folder.parent.name}/{folder.name}", [folder.parent]
