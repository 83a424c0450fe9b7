"""make report: a page that shows a run, drawn anew."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.experiments.report import write_report
from trainyard.host.operations.asked_runs import asked_run
from trainyard.host.operations.reports import reason_of
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def report(session: Session, folder: Path) -> None:
    """Draw the report of the run ID, or of the latest, and say where it is.

    Raises:
        TrainyardError: what the run has left of itself cannot be drawn.
    """
    run = asked_run(session, folder)
    if session.commands.dry_run:
        console.result(f"would draw {session.short(run.folder)}/report.html")
        return
    try:
        path = write_report(run, session.reporter)
    except Exception as error:
        raise TrainyardError(
            f"{run.folder}: no report ({reason_of(error)})", "train again, or fix that file"
        ) from error
    console.result(session.short(path))
