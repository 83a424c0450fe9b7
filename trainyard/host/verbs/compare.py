"""make compare: runs side by side, on the terminal and as a page."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.experiments.comparison import comparison_page, side_by_side
from trainyard.host.experiments.run_files import find_run
from trainyard.host.operations.asked_runs import asked_model
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table

FOLDER = "comparisons"  # below .trainyard/


def compare(session: Session, folder: Path) -> None:
    """Print parameters and metrics of the runs that ID names side by side, and draw a page of them.

    Raises:
        TrainyardError: ID names fewer than two runs, or one that is not there.
    """
    wanted = list(dict.fromkeys(session.experiments.run_id.replace(",", " ").split()))
    if len(wanted) < 2:
        raise TrainyardError(
            "make compare needs two runs or more", 'name them: make compare ID="<run> <run>"; make runs lists them'
        )
    own, projects = asked_model(session, folder)
    runs = [find_run(projects, one, session.reporter, own) for one in wanted]
    for line in table(side_by_side(runs)):
        console.result(line)
    path = session.repository.state / FOLDER / f"{'-'.join(run.short_id for run in runs)}.html"
    if session.commands.dry_run:
        session.reporter.step(f"would draw {session.short(path)}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, comparison_page(runs, session.reporter))
    session.reporter.step(f"The page of it: {session.short(path)}")
