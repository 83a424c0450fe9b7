"""Which runs ID and MODEL name."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.experiments.run_files import Run, find_run, runs_of
from trainyard.host.operations.session import Session


def asked_run(session: Session, folder: Path) -> Run:
    """The run ID of a model, or of all; the latest where none is named."""
    own, projects = asked_model(session, folder)
    return find_run(projects, session.experiments.run_id or "latest", session.reporter, own)


def finished_run(session: Session, folder: Path) -> Run:
    """The same, but where none is named, the latest that has finished, if there is one; it is printed which."""
    run = asked_run(session, folder)
    if session.experiments.run_id or run.status == "finished":
        return run
    own, projects = asked_model(session, folder)
    for one in sorted((one for one in runs_of(projects, session.reporter) if isinstance(one, Run)), key=_id)[::-1]:
        if one.status == "finished" and one.kind != "trial" and own in ("", one.model):
            what = f"Run {run.id} has not finished (it is {run.status})"
            session.reporter.step(f"{what}: {one.id} is the latest that has")
            return one
    return run


def _id(run: Run) -> str:
    return run.id


def asked_model(session: Session, folder: Path) -> tuple[str, list[Path]]:
    """The one model whose runs are meant, empty for all, and the projects to look in."""
    if folder == session.repository.root:
        return "", session.repository.projects()
    return f"{folder.parent.name}/{folder.name}", [folder.parent]
