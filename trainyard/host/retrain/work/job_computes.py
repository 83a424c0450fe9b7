"""Jobs that train on a compute: which computes those are, coming back to a task, ending it.

The ``compute.yaml`` of a checkout is not read: a repository could have images and data sent to a host of its own.
"""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.compute_file import FILE
from trainyard.host.compute.opening import open_compute
from trainyard.host.compute.placed import read_placed
from trainyard.host.experiments.run_files import FOLDER as RUNS
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.operations.on_compute.attaching import followed_anew
from trainyard.host.operations.session import Session


def use_own_computes(own: Path, checkout: Path) -> None:
    """Give a checkout the computes of the monorepo ``own``.

    Raises:
        TrainyardError: the file cannot be written.
    """
    try:
        (checkout / FILE).unlink(missing_ok=True)
        if (own / FILE).is_file():
            write_whole(checkout / FILE, (own / FILE).read_text())
    except OSError as error:
        raise TrainyardError(
            f"{error.filename}: {error.strerror}", "check permissions and space", EXIT_FAILED
        ) from None


def left_on_compute(there: Session, project: Path, job_id: str) -> Run | None:
    """The run that an earlier process of the job has left on its compute: it is followed, not trained again."""
    for run in runs_of([project], there.reporter):
        if isinstance(run, Run) and run.tags.get("job") == job_id and run.status == "running":
            placed = read_placed(run.folder)
            if placed and not placed.over:
                there.reporter.step(f"Run {run.id} is on {run.compute} already")
                return followed_anew(run)
    return None


def end_trainings(there: Session) -> None:
    """Cancel what the runs of a checkout have left on computes.

    Raises:
        TrainyardError: a compute does not answer.
    """
    for run in there.repository.root.glob(f"projects/*/{RUNS}/*"):
        placed = read_placed(run)
        if placed and not placed.over:
            compute = open_compute(there.repository.root, placed.compute, there.computing, there.reporter).compute
            compute.clean_up(placed.task)
            placed.saved(run, over=True)
