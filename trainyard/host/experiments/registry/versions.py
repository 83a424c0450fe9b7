"""The model registry: versions of models, and which of them is the champion.

It is the registry of the tracker; where no server runs, of the database of ``make track`` itself, so that promoting and
serving need no server. A version is a run's: its number is MLflow's, its tags say which files it consists of.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainyard.contract.champion_rule import CHAMPION, PREVIOUS, PROMOTED
from trainyard.contract.files import read_json, sha256_of
from trainyard.contract.model_files import BINARY, Files, check_named, digest_of, files_of, record_name
from trainyard.contract.run_folder import MODEL
from trainyard.errors import TrainyardError
from trainyard.host.experiments.registry.renamed_versions import under_other_name
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tracking import mlflow_format as values
from trainyard.host.experiments.tracking.mlflow_client import TrackingError
from trainyard.host.experiments.tracking.model_folder import has_model, read_kept_record
from trainyard.host.experiments.tracking.sync import Uploader

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

SHA256, RECORD_SHA256 = "trainyard.sha256", "trainyard.record_sha256"
RECORD_FILE = "trainyard.record"


@dataclass(frozen=True)
class Version:
    """One version of a registered model. ``run_id`` is ours; ``record_sha256`` is that of the record's file, from
    which the sha256 of all other files follow."""

    name: str  # <project>.<model_name>
    number: int
    run_id: str
    mlflow_run: str
    sha256: str
    record_sha256: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    source: str  # of its artifacts

    @property
    def model_name(self) -> str:
        return self.tags.get("trainyard.model_name", self.name.rpartition(".")[2])

    @property
    def record(self) -> str:
        """The name of the record's file."""
        return self.tags.get(RECORD_FILE, f"{self.model_name}.json")


def check_registrable(run: Run) -> None:
    """Raises:
    TrainyardError: the run has not ended well, or has not kept its model."""
    if run.status != "finished" or not has_model(run):
        what = "has kept no model" if run.status == "finished" else f"is {run.status}"
        raise TrainyardError(f"run {run.id} {what}, so it cannot be registered", "train again")


class Registry:
    """The registry of one tracker. Every method raises TrackingError where that does not answer."""

    def __init__(self, uploader: Uploader) -> None:
        self._connection = uploader.connection
        self._client = uploader.connection.client
        self._uploader = uploader
        self.reporter = uploader.reporter

    def register_version(self, run: Run, tags: Mapping[str, str] | None = None) -> int:
        """The number of the version that the run's model is; it is made, and the run uploaded, where that was not done.

        Raises:
            TrainyardError: the run has not ended well, or has not kept its model.
        """
        check_registrable(run)
        name = values.registered_name(values.project_of(run), run.model_name)
        with self._uploader.turn(name), self._connection.speaking():
            if there := self._of_run(name, run.id):
                return there.number
            self._upload(run)
            mlflow_run = self._uploader.mlflow_run(run)
            self._make_model(name)
            content = read_kept_record(run)
            record = record_name(files_of(content, run.model_name), run.model_name)
            facts = {
                values.RUN_TAG: run.id,
                "trainyard.model": run.model,
                "trainyard.model_name": run.model_name,
                SHA256: str(content["sha256"]),
                RECORD_SHA256: run.files.sha256(f"{MODEL}/{record}"),
                RECORD_FILE: record,
                **(tags or {}),
            }
            source = f"{self._client.get_run(mlflow_run).info.artifact_uri.rstrip('/')}/{MODEL}"
            description = values.cut(run.tags.get("description", ""), values.LONGEST_DESCRIPTION)
            made = self._client.create_model_version(
                name, source, mlflow_run, facts, description=description or None, await_creation_for=0
            )
            return int(made.version)

    def _upload(self, run: Run) -> None:
        """A version needs the run and its model; what else was refused of it is a warning."""
        try:
            self._uploader.upload(run)
        except TrainyardError as error:
            if isinstance(error, TrackingError) or not self._uploader.has_model(run):
                raise
            self.reporter.warn(str(error))

    def versions_of(self, name: str) -> list[Version]:
        """Every version of a registered model, the newest first; none where there is no such model."""
        with self._connection.speaking(), self._none():
            aliases = self._client.get_registered_model(name).aliases  # a search gives versions without them
            found = self._client.search_model_versions(f"name = '{name}'", max_results=10_000)
            versions = [_version(one, [alias for alias in aliases if aliases[alias] == one.version]) for one in found]
            return sorted(versions, key=lambda version: -version.number)
        return []

    def version_of(self, name: str, wanted: str = CHAMPION) -> Version:
        """The version that a number, or an alias, leads to.

        Raises:
            TrainyardError: there is none; the message names those that there are.
        """
        if found := self.find_version(name, wanted):
            return found
        there = self.versions_of(name)
        if not there:
            raise TrainyardError(f"{name}: no such model in {self._connection.tracker.shown}", "make promote")
        known = ", ".join(" ".join((str(one.number), *(f"({alias})" for alias in one.aliases))) for one in there)
        raise TrainyardError(f"VERSION={wanted}: {name} has no such version", f"there are {known}")

    def find_version(self, name: str, wanted: str = CHAMPION) -> Version | None:
        """The same; None where there is none."""
        with self._connection.speaking(), self._none():
            if wanted.isascii() and wanted.isdecimal():
                return _version(self._client.get_model_version(name, wanted))
            # What an alias leads to is given without its tags and aliases.
            number = self._client.get_model_version_by_alias(name, wanted).version
            return _version(self._client.get_model_version(name, str(number)))
        return None

    def rename(self, name: str, new: str) -> None:
        """A registered model, with its versions and aliases; nothing where there is none of that name."""
        with self._connection.speaking(), self._none():
            self._client.rename_registered_model(name, new)

    def delete(self, name: str) -> None:
        """A registered model with all its versions; nothing where there is none. The runs that they are of stay."""
        with self._connection.speaking(), self._none():
            self._client.delete_registered_model(name)

    def download_version(self, version: Version, cache: Path) -> Path:
        """A folder below ``cache`` that a daemon can have for its models/: record, binary, compiled form, all verified.

        A version that was registered before its model was renamed comes under the present name.

        Raises:
            TrainyardError: a file is not the one that was registered; nothing of it is kept.
        """
        folder = self._downloaded(version, cache)
        present = version.name.partition(".")[2]
        return folder if present in ("", version.model_name) else under_other_name(folder, version, present)

    def _downloaded(self, version: Version, cache: Path) -> Path:
        folder = cache / version.name / f"{version.number}-{version.record_sha256[:12]}"
        if folder.is_dir():
            with contextlib.suppress(TrainyardError):
                _verify(version, folder)
                return folder
            shutil.rmtree(folder)  # damaged since
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder.parent) as temporary:
            part = Path(temporary) / "models"
            part.mkdir()
            with self._connection.speaking():
                self._download(version, part)
            _verify(version, part)
            with contextlib.suppress(OSError):  # somebody else was faster
                part.rename(folder)
        _verify(version, folder)
        return folder

    def set_champion(self, version: Version) -> None:
        """From now on this version is the champion; which one it follows is written down."""
        with self._connection.speaking():
            before = self.find_version(version.name)
            if before and before.number != version.number:
                self._client.set_model_version_tag(version.name, str(version.number), PREVIOUS, str(before.number))
            self._client.set_registered_model_alias(version.name, CHAMPION, str(version.number))

    def go_back(self, champion: Version, previous: Version) -> None:
        """From now on ``previous`` is the champion again, and nothing says any more that ``champion`` was promoted."""
        with self._connection.speaking():
            self._client.set_registered_model_alias(previous.name, CHAMPION, str(previous.number))
        self.annotate(champion, {"reason": gone_back(previous)})
        with self._connection.speaking():
            for key in (PROMOTED, PREVIOUS):
                with self._none():
                    self._client.delete_model_version_tag(champion.name, str(champion.number), key)
            with self._none():
                if champion.mlflow_run:
                    self._client.delete_tag(champion.mlflow_run, PROMOTED)

    def logged_metrics(self, version: Version) -> Mapping[str, float]:
        """What the version's run has logged; nothing where no run is known."""
        with self._connection.speaking(), self._none():
            if version.mlflow_run:
                return dict(self._client.get_run(version.mlflow_run).data.metrics)
        return {}

    def annotate(self, version: Version, tags: Mapping[str, str]) -> None:
        """Add tags to a version, and to the run that it is of."""
        with self._connection.speaking():
            for key, value in tags.items():
                text = values.cut(value, values.LONGEST_TAG)
                self._client.set_model_version_tag(version.name, str(version.number), key, text)
                if version.mlflow_run:
                    self._client.set_tag(version.mlflow_run, key, text)

    def version_of_run(self, mlflow_run: str) -> Version | None:
        """The newest version that is of a run in MLflow; None where there is none."""
        with self._connection.speaking(), self._none():
            found = self._client.search_model_versions(f"run_id = '{mlflow_run}'")
            return max(map(_version, found), key=lambda version: version.number, default=None)
        return None

    def previous_champion(self, name: str) -> Version | None:
        """The version that was the champion before the present one; None where there was none."""
        champion = self.find_version(name)
        number = champion.tags.get(PREVIOUS, "") if champion else ""
        return self.find_version(name, number) if number else None

    def _of_run(self, name: str, run_id: str) -> Version | None:
        return next((version for version in self.versions_of(name) if version.run_id == run_id), None)

    def _make_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _download(self, version: Version, folder: Path) -> None:
        repository = self._connection.artifacts(version.source)
        repository.download_artifacts(version.record, str(folder))
        _compare(version, folder / version.record, version.record_sha256)
        for name in _files(version, folder):
            repository.download_artifacts(name, str(folder))

    @staticmethod
    @contextlib.contextmanager
    def _none() -> Iterator[None]:
        """What is not there is no failure."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise


def gone_back(previous: Version) -> str:
    """The reason why a version is not the champion any more."""
    return f"version {previous.number} was made the {CHAMPION} again"


def _version(found: ModelVersion, aliases: Sequence[str] | None = None) -> Version:
    tags = dict(found.tags)
    return Version(
        found.name, int(found.version), tags.get(values.RUN_TAG, ""), found.run_id or "", tags.get(SHA256, ""),
        tags.get(RECORD_SHA256, ""), tuple(found.aliases if aliases is None else aliases), tags, found.source or "",
    )  # fmt: skip


def _verify(version: Version, folder: Path) -> None:
    """Raises:
    TrackingError: a file is missing, or not what was registered."""
    _compare(version, folder / version.record, version.record_sha256)
    for name, sha256 in _files(version, folder).items():
        _compare(version, folder / name, sha256)


def _files(version: Version, folder: Path) -> Files:
    """What the record, which was compared, names.

    Raises:
        TrackingError: it is no record.
    """
    try:
        record, _ = read_json(folder / version.record)
        check_named(files := files_of(record, version.model_name))
    except (OSError, ValueError, AttributeError) as error:
        raise TrackingError(
            f"version {version.number} of {version.name}: {version.record} is no record ({error})", "train again"
        ) from None
    if version.sha256 not in (files.get(f"{version.model_name}{BINARY}"), digest_of(files)):
        raise TrackingError(
            f"version {version.number} of {version.name}: its files are not what was registered", "train again"
        )
    return files


def _compare(version: Version, path: Path, sha256: str) -> None:
    what = f"version {version.number} of {version.name}: {path.name}"
    if not sha256:
        raise TrackingError(f"{what} was not registered by Trainyard: no sha256 is known", "make promote registers one")
    try:
        actual = sha256_of(path)
    except FileNotFoundError:
        raise TrackingError(f"{what} is missing", "register the run again") from None
    if actual != sha256:
        raise TrackingError(
            f"{what} is not what was registered: sha256 {actual[:12]} is not {sha256[:12]}", "train again"
        )
