"""MLflow's client, with our timeouts, and its failures as one line each."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.tracking.tracker import Tracker, without_credentials
from trainyard.settings.own_process import refuse_telemetry

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROXIED = "mlflow-artifacts:/"  # how a server names what it keeps in its folder of artifacts
# What MLflow's pages call the kind of an experiment: else they guess.
KIND = {"mlflow.experimentKind": "custom_model_development"}
_LONGEST = 300  # characters of somebody else's message


class TrackingError(TrainyardError):
    """A tracker cannot be used, now. ``gone``: it does not answer anybody; ``silent``: one has to wait to find out."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str = "", *, gone: bool = False, silent: bool = False) -> None:
        super().__init__(message, hint)
        self.gone = gone or silent
        self.silent = silent


@dataclass(frozen=True)
class Connection:
    """A client of one tracker. What is asked of it is asked within ``speaking``."""

    tracker: Tracker
    client: MlflowClient
    seconds: int

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """What goes wrong with the tracker while the block runs is raised as one line.

        Raises:
            TrackingError: no answer in time, or not the one that was asked for.
        """
        try:
            yield
        except _failures() as error:
            raise _as_error(self.tracker, self.seconds, error) from None

    def answers(self) -> bool:
        """Whether the tracker answers now: what it did not answer may have been too large for its time."""
        try:
            with self.speaking():
                self.client.search_experiments(max_results=1)
        except TrackingError as error:
            return not error.gone
        return True

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made where it is missing.

        Raises:
            TrackingError: it was deleted; the name stays taken.
        """
        from mlflow.exceptions import MlflowException

        for _ in range(2):
            if found := self.client.get_experiment_by_name(name):
                if found.lifecycle_stage != "active":
                    raise TrackingError(
                        f"the experiment {name} was deleted in {self.tracker.shown}",
                        f"restore it: mlflow experiments restore --experiment-id {found.experiment_id}",
                    )
                return str(found.experiment_id)
            # Without a server we say what a server would, so that either finds the other's artifacts.
            place = f"{PROXIED}{quote(name, safe='')}" if self.tracker.artifacts else None
            try:
                return self.client.create_experiment(name, artifact_location=place, tags=KIND)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # somebody else was faster
                    raise
        raise TrackingError(f"the experiment {name} can be neither found nor made in {self.tracker.shown}")

    def artifacts(self, uri: str) -> Any:
        """The folder of artifacts that MLflow names ``uri``: an ArtifactRepository, whose methods have no types."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if self.tracker.artifacts and uri.startswith(PROXIED):
            uri = f"{self.tracker.artifacts.rstrip('/')}/{uri.removeprefix(PROXIED).lstrip('/')}"
        return get_artifact_repository(uri, tracking_uri=self.tracker.uri)


def connect(tracker: Tracker, seconds: int) -> Connection:
    """A client of a tracker. A server is asked nothing yet, a database is opened.

    Raises:
        TrainyardError: MLflow is not installed; TrackingError: the database cannot be opened.
    """
    make_client = _client_class(tracker, seconds)
    if not tracker.uri.startswith("http"):
        _limit_opening(seconds)
    try:
        return Connection(tracker, make_client(tracker.uri, registry_uri=tracker.uri), seconds)
    except _failures() as error:
        raise _as_error(tracker, seconds, error) from None


def _client_class(tracker: Tracker, seconds: int) -> type[MlflowClient]:
    """MLflow, imported, with our limits."""
    refuse_telemetry()
    try:
        with _without_pandas():
            from mlflow import MlflowClient, environment_variables
    except ImportError as error:
        missing = f"tracking needs MLflow, which is not in .venv ({error})"
        raise TrainyardError(missing, "make track-sync installs it", EXIT_FAILED) from None
    for name in ("mlflow", "alembic"):  # they tell of tables and waiting
        logging.getLogger(name).setLevel(logging.ERROR)
    limits: dict[Any, object] = {
        environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT: seconds,
        environment_variables.MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT: seconds,
        environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES: 0,  # whoever calls knows when to try again
        environment_variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: False,
        environment_variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: True,
        environment_variables.MLFLOW_TRACKING_USERNAME: tracker.user,
        environment_variables.MLFLOW_TRACKING_PASSWORD: tracker.password,
    }
    for variable, value in limits.items():
        if value != "":
            variable.set(value)
    return MlflowClient


@contextlib.contextmanager
def _without_pandas() -> Iterator[None]:
    """MLflow imports pandas where it is installed, for tables that nobody hands to it here: a third of the time.

    Its smaller package, mlflow-skinny, goes without, too. Nothing else on this side of an image uses pandas. What a
    thread imports meanwhile may not be hidden: the one that draws imports numpy.
    """
    if "pandas" in sys.modules:
        yield
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        yield
    finally:
        del sys.modules["pandas"]


def _limit_opening(seconds: int) -> None:
    """MLflow tries ten times to open a database, and waits 100 s in all: 0.1 s, 0.3, 0.7, ... No setting of its own
    shortens that."""
    from mlflow.store.db import utils

    attempts, waited = 0, 0.0
    while (waited := waited + 0.1 * (2 ** (attempts + 1) - 1)) <= seconds:
        attempts += 1
    utils.MAX_RETRY_COUNT = attempts + 1


def _failures() -> tuple[type[Exception], ...]:
    """What MLflow raises, and what it lets through of those that it asks."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError


def _as_error(tracker: Tracker, seconds: int, error: BaseException) -> TrackingError:
    import requests

    causes = list(_causes(error))
    # A client that does not try again calls an answer that does not come a failed connection.
    if any(isinstance(cause, requests.Timeout) or "timed out" in str(cause) for cause in causes):
        return TrackingError(f"{tracker.shown}: no answer in {seconds} s", "raise TRACKING_TIMEOUT", silent=True)
    if any(isinstance(cause, requests.ConnectionError) for cause in causes):
        return TrackingError(f"{tracker.shown}: cannot be reached", "start it, as make track does", gone=True)
    text = without_credentials(" ".join(str(getattr(error, "message", "") or error).split()))
    text = text.partition("<")[0].strip()  # of a page that some other server answers with
    if tracker.password:
        text = text.replace(tracker.password, "***")
    return TrackingError(f"{tracker.shown}: {text[:_LONGEST]}", "see what is wrong with that server")


def _causes(error: BaseException) -> Iterator[Any]:
    """An exception and all that led to it: MLflow keeps what it wraps only there."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
