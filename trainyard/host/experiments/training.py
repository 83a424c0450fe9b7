"""One training as a run: a folder that the container writes to, and what is written down of how it went."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trainyard.contract import run_folder
from trainyard.contract.data_parts import MEASURED_ON
from trainyard.contract.files import dataset_files
from trainyard.contract.model_files import check_model_name
from trainyard.errors import ENDED_BY_SIGNAL, TrainyardError
from trainyard.host.engines.base import Mount, Network, RunPlan
from trainyard.host.experiments.metrics_log import Point, read_points, read_tags
from trainyard.host.experiments.origin import Origin
from trainyard.host.experiments.run_files import Kind, Run, end_run, new_run
from trainyard.host.experiments.training_metrics import write_training_metrics
from trainyard.host.experiments.transcript import Transcript
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.reporter import Reporter

TRACKING, OWN = "tracking", "own"  # a tag of runs whose train function tracks itself
_MOST_NAMES = 10  # of data/ that a hint lists


class LeftRunning(TrainyardError):
    """A training goes on on its compute, and nobody here looks after it any more."""


class Foreground(Protocol):
    """Runs a container in the foreground: an engine's ``Runner`` here, or what trains on a compute."""

    def run(self, plan: RunPlan) -> int:
        """Run until it ends; its exit status."""


@dataclass(frozen=True)
class Training:
    """What to train, and how people shall find it again. ``keep_model``: a copy of the binary stays in the run;
    ``environment``: variables of its container; ``hardened``: as of a ``RunPlan``; ``offline``: it has no network.
    ``compute``: by name, where it trains; empty: here."""

    model: ModelDir
    origin: Origin
    payload: Mapping[str, Any]
    mounts: tuple[Mount, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    keep_model: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    hardened: bool = True
    data: object = None  # what holds data of stores in the cache for as long as this is there; or says where it is
    offline: bool = False
    compute: str = ""

    @property
    def image(self) -> str:
        return self.origin.image

    @property
    def env(self) -> dict[str, str]:
        """Of a container that trains once."""
        return {**self.environment, "PAYLOAD": json.dumps(self.payload), "TRAIN": "1", **self.origin.env}

    @property
    def tracks_itself(self) -> bool:
        """Whether its function logs to a tracker, which it reaches over the host's network."""
        return self.tags.get(TRACKING) == OWN

    @property
    def network(self) -> Network:
        """Of its container. One that tracks itself may reach the tracker by the address of this machine."""
        return "none" if self.offline else "host" if self.tracks_itself else "own"

    @property
    def model_name(self) -> str:
        return str(self.payload.get("model_name") or self.model.model_name)


def start_run(training: Training, kind: Kind = "training") -> Run:
    """The folder of the run, before anything has happened."""
    tags = {"dataset": str(training.payload.get("$ref", "")), **training.origin.tags, **training.tags}
    run = new_run(
        training.model.project,
        training.model.name,
        training.model_name,
        params=dict(training.payload.get("params") or {}),
        tags={name: value for name, value in tags.items() if value},
        parent=training.parent,
        kind=kind,
        built=training.origin.built,
        payload=dict(training.payload),
        compute=training.compute,
    )
    if training.keep_model and kind == "training":
        run.files.make_folder(run_folder.MODEL)
    return run


def carry_out(
    training: Training,
    run: Run,
    runner: Foreground,
    repository: Repository,
    reporter: Reporter,
    on_points: Callable[[list[Point]], None] | None = None,
) -> tuple[Run, int]:
    """Train in the foreground; the run as it ended, and the container's exit status.

    Whatever ends this process in an orderly way ends the run; one that is killed is found out by ``read_run``.
    """
    mounts = (*training.mounts, Mount("run", run.folder))
    with Transcript(run.path(run_folder.LOG), run.path(run_folder.METRICS), reporter, on_points) as transcript:
        plan = RunPlan(
            training.image, f"{training.image}-{run.short_id}", "train", training.model.name, training.env,
            mounts, hardened=training.hardened, output=transcript, image_id=training.origin.image_id,
            network=training.network,
        )  # fmt: skip
        try:
            status = runner.run(plan)
        except LeftRunning:
            raise
        except (KeyboardInterrupt, SystemExit):
            end_run(run, "interrupted", reporter, error="interrupted")
            raise
        except BaseException as error:
            end_run(run, "failed", reporter, error=str(error))
            raise
    if status in ENDED_BY_SIGNAL:
        return end_run(run, "interrupted", reporter, error=transcript.reason), status
    if status:
        return end_run(run, "failed", reporter, error=transcript.reason or f"status {status}"), status
    return _finished(training, run, repository, reporter), status


def show_only(training: Training, runner: Foreground) -> None:
    """What a dry run shows."""
    plan = RunPlan(
        training.image, training.image, "train", training.model.name, training.env, training.mounts,
        hardened=training.hardened, network=training.network,
    )  # fmt: skip
    runner.run(plan)


def _finished(training: Training, run: Run, repository: Repository, reporter: Reporter) -> Run:
    """The run with what its record says."""
    record = _record(run)
    if record is None:
        error = f"no file of the model {training.model_name} was written to models/"
        return end_run(run, "failed", reporter, error=error)
    metrics = metrics_of(record)
    names = (
        "dataset_sha256",
        "dataset_rows",
        "test_dataset_sha256",
        "test_dataset_rows",
        "lock",
        "sha256",
        MEASURED_ON,
    )
    recorded = {name: record.get(name) for name in names}
    own = read_tags(run.path(run_folder.TAGS), reporter)
    tags = {**run.tags, **{name: str(value) for name, value in recorded.items() if value}, **own}
    points = read_points(run.path(run_folder.METRICS), reporter)
    metrics = {**{point.name: point.value for point in points}, **metrics}
    params = given if isinstance(given := record.get("params"), dict) and given else run.params
    try:
        locks = repository.state / "locks"
        write_training_metrics(training.model.project, training.model_name, metrics, points, locks, reporter)
    except OSError as error:
        reporter.warn(f"training_metrics.json could not be written: {error.strerror}")
    return end_run(run, "finished", reporter, metrics=metrics, tags=tags, params=params)


def _record(run: Run) -> dict[str, Any] | None:
    """The record of the binary that this run wrote; None where it wrote none."""
    with contextlib.suppress(OSError, ValueError):
        found = run.files.read_json(run_folder.RECORD)
        if isinstance(found, dict):
            return found
    return None


def metrics_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the metrics that a train function has recorded: it may record anything."""
    recorded, metrics = record.get("metrics"), {}
    for name, value in recorded.items() if isinstance(recorded, dict) else ():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # an integer of 400 digits
                metrics[name] = float(value)
    return metrics


def check_payload(project: Path, payload: Mapping[str, Any]) -> None:
    """Raises:
    TrainyardError: the model_name cannot be a file name; the dataset is a file or a folder of the project, and is not
        there or cannot be hashed."""
    check_model_name(payload)
    name = str(payload.get("$ref", ""))
    path, data = project / name, project / "data"
    if not name or "://" in name:
        return
    if path.exists():
        dataset_files(path, data)
        return
    there = sorted(entry.name for entry in data.glob("[!.]*"))[:_MOST_NAMES]
    raise TrainyardError(
        f"{path}: no such dataset",
        f"name one with DATASET_NAME=data/<file or folder>; there are {', '.join(there) or 'none in data/'}",
    )
