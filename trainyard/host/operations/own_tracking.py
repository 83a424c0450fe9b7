"""Train functions that track by themselves (`tracking: own` in config.yaml): what their containers are given for it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from trainyard.contract.champion_rule import REGISTERED_AS
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.config import FILE, read_config
from trainyard.host.experiments.tracking.mlflow_format import registered_name
from trainyard.host.experiments.tracking.tracker import Tracker
from trainyard.host.experiments.training import OWN, TRACKING, Training
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.network.loopback import is_loopback
from trainyard.host.operations.live_upload import tracker_of
from trainyard.host.operations.session import Session
from trainyard.settings.own_process import give_to_programs, refuse_telemetry

URI, USER, PASSWORD, EXPERIMENT = (
    "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_EXPERIMENT_NAME",
)  # fmt: skip
LOST = "what it logs goes into a folder that is thrown away after the training"
_USES = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?:mlflow|(?:trainyard\.models|common_utils)\.registering)\b", re.MULTILINE
)
_CHOOSES = re.compile(r"\bset_tracking_uri\b")


def with_own_tracking(session: Session, training: Training) -> Training:
    """The training, with what its function needs in order to track itself, where config.yaml says that it does.

    What would be lost is a warning, before hours of training.

    Raises:
        TrainyardError: there is a tracker, and it does not answer.
    """
    model = training.model
    name = registered_name(model.project.name, training.model_name)
    environment = {**training.environment, REGISTERED_AS: name}
    uses = next(_uses_of_mlflow(session, model), "")
    chosen = URI in environment or URI in model.environment
    if read_config(model.path).tracking != OWN:
        if uses and not chosen:
            own = session.short(model.path / FILE)
            session.reporter.warn(f"{uses} uses MLflow, and {LOST}: write `{TRACKING}: {OWN}` into {own}")
        return replace(training, environment=environment)
    tracker = tracker_of(session)
    if tracker is None and not chosen:
        session.reporter.warn(
            f"{uses or model.name} tracks by itself, and no tracker runs: {LOST}; make track DETACH=1 starts one"
        )
    if tracker:
        if training.compute and is_loopback(urlsplit(tracker.uri).hostname or ""):
            raise TrainyardError(
                f"{model.name} tracks by itself, and {training.compute} does not reach {tracker.shown}",
                "TRACKING_URI=<its address as it is reached from there>", EXIT_FAILED,
            )  # fmt: skip
        if not session.commands.dry_run:
            _check_reachable(tracker, session.experiments.tracking_timeout)
        environment = {**_variables(tracker, session.tags.get("experiment") or model.project.name), **environment}
    return replace(training, environment=environment, tags={**training.tags, TRACKING: OWN})


def _variables(tracker: Tracker, experiment: str) -> dict[str, str]:
    """What MLflow reads; the container has the host's network, so the tracker's address is the same there."""
    refuse_telemetry()
    credentials = {USER: tracker.user, PASSWORD: tracker.password}
    given = {name: value for name, value in credentials.items() if value}
    give_to_programs(given)
    host = urlsplit(tracker.uri).hostname or ""
    own = {URI: tracker.uri, EXPERIMENT: experiment, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**own, **given, "NO_PROXY": host, "no_proxy": host} if is_loopback(host) else {**own, **given}


def _check_reachable(tracker: Tracker, seconds: int) -> None:
    parts = urlsplit(tracker.uri)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    try:
        socket.create_connection((parts.hostname or "", port), seconds).close()
    except OSError as error:
        raise TrainyardError(
            f"{tracker.shown}: cannot be reached ({error.strerror or error}), and the train function logs there",
            f"start it, as make track does, or remove `{TRACKING}: {OWN}` from {FILE}", EXIT_FAILED,
        ) from None  # fmt: skip


def _uses_of_mlflow(session: Session, model: ModelDir) -> Iterator[str]:
    """``file:line`` of each import of MLflow in the model's directory, unless a file of it chooses a tracker."""
    found = []
    for path in sorted(model.path.glob("*.py")):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue  # the build names it
        if _CHOOSES.search(text):
            return
        found += [f"{session.short(path)}:{text[: one.start()].count(chr(10)) + 1}" for one in _USES.finditer(text)]
    yield from found
