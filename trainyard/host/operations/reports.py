"""The report of a run, which costs nobody the run."""

from __future__ import annotations

from trainyard.host.experiments.report import DrawnAhead, write_report
from trainyard.host.experiments.run_files import Run
from trainyard.host.operations.session import Session


def try_to_report(session: Session, run: Run, drawn: DrawnAhead | None = None) -> None:
    """Draw the report of a run that has just ended; where that fails, a warning says so."""
    try:
        write_report(run, session.reporter, drawn)
    except Exception as error:  # noqa: BLE001 -- of matplotlib, of the disk; no reason to call the training failed
        session.reporter.warn(f"no report of {run.id} ({reason_of(error)}): make report ID={run.id} tries again")


def reason_of(error: Exception) -> str:
    """One line: the errors of a library may have more."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
