"""The model that a training begins from (BASE_MODEL): found, verified, handed to the container of the training.

It is named by a run, ours or MLflow's, or by a version of the registry: ``<registered model>/<number or alias>``.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trainyard.contract import base_models
from trainyard.contract.files import read_json, sha256_of
from trainyard.contract.model_files import BINARY, files_of, record_name
from trainyard.contract.run_folder import MODEL
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount
from trainyard.host.experiments.registry.versions import Version, check_registrable
from trainyard.host.experiments.run_files import Run, find_run, runs_of
from trainyard.host.experiments.tracking.model_folder import kept_files
from trainyard.host.experiments.tracking.tracker import Tracker, tracker_or_store
from trainyard.host.experiments.tracking.upload_state import read_uploaded
from trainyard.host.experiments.training import Training
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import open_registry
from trainyard.host.operations.version_names import cache_of

FOLDER = "base_models"  # below .trainyard/: copies of what runs have kept, which no container has written to
_OF_MLFLOW = re.compile(r"[0-9a-f]{32}")  # the id of a run


@dataclass(frozen=True)
class BaseModel:
    """Verified files in ``folder``. ``name`` is what a run says of it: the id of the run, or ``<model>/<number>``."""

    name: str
    model_name: str
    folder: Path

    @property
    def record(self) -> Path:
        files = self.files
        return self.folder / record_name(files, self.model_name)

    @property
    def files(self) -> Mapping[str, str]:
        """The files of the model, each with its sha256."""
        for path in (self.folder / f"{self.model_name}.record.json", self.folder / f"{self.model_name}.json"):
            if path.is_file():
                return files_of(read_json(path)[0], self.model_name)
        raise TrainyardError(f"{self.folder}: has no record of {self.model_name}", "train again")

    @property
    def binary(self) -> str:
        """The file that train functions are told of: the pickle, or the first of those that there are."""
        files = self.files
        return next((name for name in files if name == f"{self.model_name}{BINARY}"), min(files))

    @property
    def sha256(self) -> str:
        return self.files[self.binary]


def with_base_model(session: Session, training: Training) -> Training:
    """The training, with the model that BASE_MODEL names, where it names one.

    Raises:
        TrainyardError: there is no such run or version, it has kept no model, or a file is not the recorded one.
    """
    if not (asked := session.experiments.base_model):
        return training
    if session.commands.dry_run:
        session.reporter.would(f"hand the model of {asked} to the training")
        return training
    return begun_from(session, training, find_base_model(session, asked))


def begun_from(session: Session, training: Training, base: BaseModel) -> Training:
    """The training, whose container finds the base model: a mount for reading, and variables that name it."""
    session.reporter.step(f"The training begins from {base.name} (sha256 {base.sha256[:12]})")
    facts = {
        base_models.BASE: base.name,
        base_models.MODEL_NAME: base.model_name,
        base_models.RECORD: base.record.name,
        base_models.RECORD_SHA256: sha256_of(base.record),
        base_models.SHA256: base.sha256,
    }
    environment = {
        base_models.VARIABLE: f"{base_models.FOLDER}/{base.binary}", base_models.FACTS: json.dumps(facts),
    }  # fmt: skip
    tags = {base_models.TAG: base.name, base_models.SHA256_TAG: base.sha256}
    mount = Mount("base model", base.folder, read_only=True)
    return replace(
        training, mounts=(*training.mounts, mount), environment={**training.environment, **environment},
        tags={**training.tags, **tags},
    )  # fmt: skip


def find_base_model(session: Session, asked: str) -> BaseModel:
    """What is asked for, its files in a folder, verified.

    Raises:
        TrainyardError: as ``with_base_model``.
    """
    name, slash, wanted = _without_scheme(asked).rpartition("/")
    if slash:
        return _of_version(session, open_registry(session).version_of(name, wanted))
    if not _OF_MLFLOW.fullmatch(asked):
        return _of_run(session, _own_run(session, asked))
    if run := _local(session, asked):
        return _of_run(session, run)
    if version := open_registry(session).version_of_run(asked):
        return _of_version(session, version)
    raise TrainyardError(
        f"BASE_MODEL={asked}: that run of MLflow has no version in the registry, and is no run of this machine",
        "make promote ID=<run> registers one; or name a version: <registered model>/<number>",
    )


def earlier_base_model(session: Session, run: Run) -> BaseModel | None:
    """What a run began from, to train it again; None where it began from nothing.

    Raises:
        TrainyardError: it is gone, or another model by now.
    """
    if not (sha256 := run.tags.get(base_models.SHA256_TAG)):
        return None
    base = find_base_model(session, run.tags.get(base_models.TAG, ""))
    if base.sha256 != sha256:
        raise TrainyardError(f"run {run.id} began from {base.name}, which is another model now", "choose another run")
    return base


def mlflow_run_of(session: Session, asked: str) -> str:
    """The run in MLflow whose model is asked for, for train scripts that fetch it there themselves.

    Raises:
        TrainyardError: there is no such run or version; or the tracker does not have it.
    """
    if _OF_MLFLOW.fullmatch(asked):
        return asked
    name, slash, wanted = _without_scheme(asked).rpartition("/")
    if slash:
        found = open_registry(session).version_of(name, wanted).mlflow_run
    else:
        found = read_uploaded(_own_run(session, asked), _tracker(session)).run_id
    if not found:
        raise TrainyardError(f"base_model {asked}: the tracker has no run of it", "make track-sync uploads runs")
    return found


def _without_scheme(asked: str) -> str:
    """A version as MLflow writes it, models:/<name>/<number> or models:/<name>@<alias>, is one, too."""
    return asked.removeprefix("models:/").replace("@", "/") if asked.startswith("models:/") else asked


def _own_run(session: Session, asked: str) -> Run:
    try:
        return find_run(session.repository.projects(), asked, session.reporter)
    except TrainyardError as error:
        if not error.message.startswith("ID="):
            raise
        raise TrainyardError(f"BASE_{error.message.replace('ID=', 'MODEL=', 1)}", error.hint) from None


def _local(session: Session, mlflow_run: str) -> Run | None:
    """The run of this machine that a run in MLflow was uploaded from; None where it is of another, or was removed."""
    for run in runs_of(session.repository.projects(), session.reporter):
        if isinstance(run, Run) and read_uploaded(run, _tracker(session)).run_id == mlflow_run:
            return run
    return None


def _tracker(session: Session) -> Tracker:
    return tracker_or_store(session.experiments, session.repository.root)


def _of_version(session: Session, version: Version) -> BaseModel:
    folder = open_registry(session).download_version(version, cache_of(session))
    present = version.name.partition(".")[2]  # a model may have been renamed since
    return BaseModel(f"{version.name}/{version.number}", present or version.model_name, folder)


def _of_run(session: Session, run: Run) -> BaseModel:
    """A copy: what is mounted into a container of the process engine could be written to."""
    check_registrable(run)
    files = kept_files(run)
    places = session.repository.state / FOLDER
    places.mkdir(parents=True, exist_ok=True)
    record = next(name for name, sha256 in files.items() if not sha256)
    folder = places / f"{run.id}-{run.files.sha256(f'{MODEL}/{record}')[:12]}"
    base = BaseModel(run.id, run.model_name, folder)
    if _is_whole(folder, files):
        return base
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=places) as name:
        part = Path(name) / MODEL
        try:
            for path in files:
                (part / path).parent.mkdir(parents=True, exist_ok=True)
                run.files.copy_to(f"{MODEL}/{path}", part / path)
        except OSError as error:
            raise TrainyardError(f"run {run.id}: its model cannot be copied ({error.strerror})", "make room") from None
        if not _is_whole(part, files):
            raise TrainyardError(f"run {run.id}: a file of its model is not the recorded one", "begin from another run")
        part.replace(folder)
    return base


def _is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    try:
        return all(not sha256 or sha256_of(folder / name, folder) == sha256 for name, sha256 in files.items())
    except OSError:
        return False
