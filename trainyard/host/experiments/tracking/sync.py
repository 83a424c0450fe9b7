"""Uploads a run to a tracker: while it goes, when it has ended, or later; as often as one likes, it is there once."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from trainyard.contract.run_folder import METRICS, MODEL
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.metrics_log import Point, read_points
from trainyard.host.experiments.run_files import RUN, Run, read_run
from trainyard.host.experiments.tracking import mlflow_format as values
from trainyard.host.experiments.tracking.mlflow_client import Connection, TrackingError
from trainyard.host.experiments.tracking.model_folder import has_model, write_model_folder
from trainyard.host.experiments.tracking.refusals import Refusals, one_line, shown
from trainyard.host.experiments.tracking.upload_state import (
    Uploaded,
    artifacts,
    complete,
    files_of,
    read_uploaded,
    write_uploaded,
)  # fmt: skip
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter

if TYPE_CHECKING:
    import mlflow.entities

ENDED = "trainyard.ended"  # the last that is written: whoever finds it need not look further


class Uploader:
    """Uploads runs over one connection. ``locks`` is a folder; two that upload one run take turns."""

    def __init__(self, connection: Connection, locks: Path, lock_seconds: int, reporter: Reporter) -> None:
        self.connection = connection
        self.reporter = reporter
        self._client = connection.client
        self._locks = locks
        self._lock_seconds = lock_seconds
        self._experiments: dict[str, str] = {}
        self._runs: dict[str, str] = {}  # our ids -> MLflow's

    def upload(self, run: Run) -> bool:
        """Everything of a run that has ended and is not there yet; whether there was anything.

        Raises:
            TrainyardError: what of the run cannot be read, or is refused; TrackingError: the tracker does not answer.
        """
        with self._guarded(run):
            if self.is_there(run):
                return False
            uploaded, found = self._begin(run)
            if not uploaded.deleted:
                self._end(run, uploaded, found)
            return not uploaded.deleted

    def report(self, run: Run, points: list[Point]) -> None:
        """A run that goes on: all its points until now, of which some may be there.

        Raises:
            TrainyardError: as ``upload``.
        """
        with self._guarded(run):
            if run.id in self._runs:
                uploaded = self._read(run)
            else:
                uploaded, found = self._begin(run)
                if not uploaded.deleted:
                    self._describe(run, found)
            self._add(run, uploaded, points)

    def is_there(self, run: Run) -> bool:
        """Whether nothing of it is missing, as far as is known here. Why a folder cannot be read ``upload`` says."""
        try:
            return complete(run, self._read(run))
        except OSError:
            return False

    def mlflow_run(self, run: Run) -> str:
        """MLflow's id of a run that was uploaded; empty where there is none."""
        return self._read(run).run_id

    def has_model(self, run: Run) -> bool:
        """Whether the tracker has the files of the run's model, as they are now."""
        there = self._read(run).files
        return all(there.get(name) == stamp for name, stamp in files_of(run).items() if Path(name).parts[0] == MODEL)

    def page(self, run: Run) -> str:
        """Where a run that was uploaded is seen. Without the last part MLflow puts it among language models."""
        place = f"experiments/{quote(self._experiment(run))}/runs/{self.mlflow_run(run)}"
        return f"{self.connection.tracker.shown}/#/{place}?workflowType=machine_learning"

    def forget(self, run: Run) -> None:
        """What was written down of an upload no longer holds: the tracker does not know the run."""
        self._write(run, Uploaded())

    def turn(self, what: str) -> AbstractContextManager[None]:
        """One at a time."""
        limit = Limit("LOCK_TIMEOUT", self._lock_seconds)
        return locked(self._locks / f"tracking-{what}", f"the upload of {what}", limit, self.reporter)

    def _read(self, run: Run) -> Uploaded:
        return read_uploaded(run, self.connection.tracker)

    def _write(self, run: Run, uploaded: Uploaded) -> Uploaded:
        write_uploaded(run, self.connection.tracker, uploaded)
        return uploaded

    @contextlib.contextmanager
    def _guarded(self, run: Run) -> Iterator[None]:
        """Whatever goes wrong with this run is one line about it: it must not stop another, or a training."""
        try:
            with self.turn(run.id), self.connection.speaking():
                yield
        except TrainyardError:
            raise
        except Exception as error:
            hint = "fix or remove what is named, then make track-sync"
            raise TrainyardError(f"{run.folder}: cannot be uploaded ({one_line(error)})", hint, EXIT_FAILED) from error

    def _begin(self, run: Run) -> tuple[Uploaded, mlflow.entities.Run]:
        """Find or make the run in MLflow, with the first of its tags."""
        uploaded = self._read(run)
        found = self._find(run, uploaded.run_id)
        if found is None:
            tags = {**self._parent(run), **values.tags(run)}
            first = dict(list(tags.items())[:20])  # the rest comes with the parameters, in requests of a safe size
            experiment, start = self._experiment(run), values.milliseconds(run.started)
            found = self._client.create_run(experiment, start_time=start, tags=first, run_name=values.run_name(run))
        if found.info.run_id != uploaded.run_id:
            uploaded = Uploaded(found.info.run_id)
        self._runs[run.id] = found.info.run_id
        uploaded = self._write(run, replace(uploaded, deleted=found.info.lifecycle_stage == "deleted"))
        if run.status == "running" and found.info.status != "RUNNING" and not uploaded.deleted:
            self._client.update_run(found.info.run_id, status="RUNNING")  # a search that was taken up again
        return uploaded, found

    def _add(self, run: Run, uploaded: Uploaded, points: list[Point]) -> Uploaded:
        """The points that are not there yet."""
        new = points[uploaded.points :]
        if not new or uploaded.deleted:
            return uploaded
        self._client.log_batch(uploaded.run_id, metrics=values.metrics(new))
        return self._write(run, replace(uploaded, points=len(points)))

    def _end(self, run: Run, uploaded: Uploaded, found: mlflow.entities.Run) -> None:
        """All the rest of a run that was begun and has ended.

        Raises:
            TrainyardError: some of it was refused; the rest is uploaded.
        """
        refused = Refusals(self.connection)
        with refused.noting("parameters and tags"):
            self._describe(run, found)
        with refused.noting(METRICS):
            points = read_points(run.path(METRICS), self.reporter)
            uploaded = self._add(run, uploaded, points)
            self._client.log_batch(uploaded.run_id, metrics=values.metrics(values.final_points(run, points)))
        with refused.noting("its dataset"):
            inputs = self._client.get_run(uploaded.run_id).inputs
            if not (inputs and inputs.dataset_inputs) and (dataset := values.dataset_input(run)):
                self._client.log_inputs(uploaded.run_id, datasets=[dataset])
        there = self._upload_files(run, uploaded, found.info.artifact_uri, refused)
        status = values.STATUSES.get(run.status, values.ENDED_EARLY)
        self._client.set_terminated(uploaded.run_id, status, values.milliseconds(run.finished))
        self._write(run, replace(uploaded, files=there))
        if names := values.shortened(run):
            self.reporter.warn(
                f"{run.id}: MLflow cannot take {', '.join(map(shown, names))} as it is; {RUN} has it whole"
            )
        refused.check(run)
        self._client.set_tag(uploaded.run_id, ENDED, run.finished)
        self._write(run, replace(uploaded, files=there, ended=run.finished))

    def _find(self, run: Run, known: str) -> mlflow.entities.Run | None:
        from mlflow.entities import ViewType
        from mlflow.exceptions import MlflowException

        if known:
            try:
                return self._client.get_run(known)
            except MlflowException as error:  # the tracker was emptied
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        wanted = f"tags.`{values.RUN_TAG}` = '{run.id}'"
        found = self._client.search_runs([self._experiment(run)], wanted, ViewType.ALL, max_results=1)
        return found[0] if found else None

    def _describe(self, run: Run, found: mlflow.entities.Run) -> None:
        """Parameters and tags, where MLflow does not have them so."""
        from mlflow.entities import RunTag

        new, changed = values.params(run, found.data.params)
        tags = {**values.tags(run), **changed}
        for params in values.batches(new):
            self._client.log_batch(found.info.run_id, params=params)
        different = [RunTag(name, value) for name, value in tags.items() if found.data.tags.get(name) != value]
        for batch in values.batches(different):
            self._client.log_batch(found.info.run_id, tags=batch)

    def _upload_files(self, run: Run, uploaded: Uploaded, uri: str, refused: Refusals) -> dict[str, str]:
        """Those that have changed since they were uploaded; the stamps of all that are there now."""
        files = files_of(run)
        changed = {name for name, stamp in files.items() if uploaded.files.get(name) != stamp}
        repository = self.connection.artifacts(uri)
        for path in artifacts(run):
            if str(path) in changed:
                folder = "" if path.parent == Path() else path.parent.as_posix()
                with refused.noting(str(path)), self._apart() as apart:
                    run.files.link_to(str(path), apart / path.name)
                    repository.log_artifact(str(apart / path.name), folder or None)
        of_model = {name for name in changed if Path(name).parts[0] == MODEL}
        if of_model and has_model(run):
            with refused.noting(MODEL), self._apart() as apart:
                write_model_folder(run, uploaded.run_id, apart)
                repository.log_artifacts(str(apart), MODEL)
        missing = {name for name in changed if name in refused or (MODEL in refused and name in of_model)}
        return {name: stamp for name, stamp in files.items() if name not in missing}

    @contextlib.contextmanager
    def _apart(self) -> Iterator[Path]:
        """A folder that no container has, for what MLflow opens by its path."""
        with tempfile.TemporaryDirectory(prefix="upload-", dir=self._locks.parent) as folder:
            yield Path(folder)

    def _experiment(self, run: Run) -> str:
        name = values.experiment_of(run)
        if name not in self._experiments:
            self._experiments[name] = self.connection.experiment(name)
        return self._experiments[name]

    def _parent(self, run: Run) -> dict[str, str]:
        """The tag that makes a trial part of its tuning, which is begun where MLflow does not know it yet."""
        if not run.parent:
            return {}
        if run.parent not in self._runs:
            try:
                parent = read_run(run.folder.parent / run.parent, self.reporter)
                if parent.kind != "tuning" or parent.parent:  # else two runs could wait for each other
                    raise TrainyardError(f"{parent.id} is no tuning")
                with self._guarded(parent):
                    self._begin(parent)
            except TrainyardError as error:
                if isinstance(error, TrackingError) and error.gone:
                    raise
                self.reporter.warn(
                    f"{run.id}: not shown below its tuning {run.parent}, which is not there: {error.message}"
                )
                return {}
        return {values.PARENT: self._runs[run.parent]}
