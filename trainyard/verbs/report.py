"""make report: a page that shows a run, drawn anew."""

from __future__ import annotations

from pathlib import Path

from trainyard import console
from trainyard.errors import TrainyardError
from trainyard.experiments.report import DrawnAhead, write_report
from trainyard.experiments.run_files import Run
from trainyard.verbs.runs import asked_run
from trainyard.verbs.session import Session


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
        path = write_report(run)
    except Exception as error:
        raise TrainyardError(f"{run.folder}: no report ({_reason(error)})", "train again, or fix that file") from error
    console.result(session.short(path))


def try_to_report(run: Run, drawn: DrawnAhead | None = None) -> None:
    """Draw the report of a run that has just ended; where that fails, a warning says so."""
    try:
        write_report(run, drawn)
    except Exception as error:  # noqa: BLE001 -- of matplotlib, of the disk; no reason to call the training failed
        console.warn(f"no report of {run.id} ({_reason(error)}): make report ID={run.id} tries again")


def _reason(error: Exception) -> str:
    """One line: the errors of a library may have more."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
