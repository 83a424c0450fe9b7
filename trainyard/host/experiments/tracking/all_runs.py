"""Uploads many runs: each has its own error, and none stops another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trainyard.errors import TrainyardError
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tracking.mlflow_client import Connection, TrackingError
from trainyard.host.experiments.tracking.mlflow_format import RUN_TAG, experiment_of
from trainyard.host.experiments.tracking.sync import Uploader


@dataclass(frozen=True)
class Uploads:
    """How many runs were uploaded, why others could not be, and how many were not tried once the tracker was gone."""

    done: int
    failures: tuple[str, ...] = ()
    untried: int = 0

    @property
    def failed(self) -> int:
        return len(self.failures) + self.untried


def upload_all(uploader: Uploader, runs: Iterable[Run], say: Callable[[str], None]) -> Uploads:
    """Upload the runs that are not in the tracker yet, or not any more.

    Raises:
        TrackingError: the tracker cannot be reached, or does not answer.
    """
    runs = list(runs)
    lost = _lost(uploader, runs)
    missing = [run for run in runs if run.id in lost or not uploader.is_there(run)]
    done, failures = 0, list[str]()
    for number, run in enumerate(missing, 1):
        say(f"Uploading run {number} of {len(missing)}: {run.id} ...")
        try:
            if run.id in lost:
                uploader.forget(run)
            done += uploader.upload(run)
        except TrainyardError as error:
            failures.append(str(error) if run.id in str(error) else f"{run.id}: {error}")
            if isinstance(error, TrackingError) and error.gone and not uploader.connection.answers():
                return Uploads(done, tuple(failures), len(missing) - number)
    return Uploads(done, tuple(failures))


def known_runs(connection: Connection, experiment: str) -> set[str]:
    """Our ids of the runs that a tracker has in an experiment, deleted ones included.

    Raises:
        TrackingError: it does not say.
    """
    from mlflow.entities import ViewType

    client, there, token = connection.client, set[str](), None
    with connection.speaking():
        found = client.get_experiment_by_name(experiment)
        while found:
            page = client.search_runs([found.experiment_id], "", ViewType.ALL, max_results=1000, page_token=token)
            there |= {run.data.tags[RUN_TAG] for run in page if RUN_TAG in run.data.tags}
            if not (token := page.token):
                break
    return there


def _lost(uploader: Uploader, runs: list[Run]) -> set[str]:
    """The runs that were uploaded, and that the tracker does not know any more."""
    lost = set[str]()
    for experiment in sorted({experiment_of(run) for run in runs}):
        try:
            there = known_runs(uploader.connection, experiment)
        except TrackingError as error:
            if error.gone:
                raise
            continue  # its runs meet the same error, and name it
        own = (run for run in runs if experiment_of(run) == experiment)
        lost |= {run.id for run in own if run.id not in there and uploader.mlflow_run(run)}
    return lost
