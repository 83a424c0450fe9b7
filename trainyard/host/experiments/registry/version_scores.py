"""Scores versions of a model side by side, in a container of its train image."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trainyard.contract.data_parts import MEASURE_ON
from trainyard.contract.run_folder import LOG, SCORED, SCORES
from trainyard.host.engines.base import Mount, Network, RunPlan
from trainyard.host.engines.engine import Runner
from trainyard.host.experiments.training import Training
from trainyard.host.experiments.transcript import Transcript
from trainyard.host.support.reporter import Reporter
from trainyard.host.support.shared_folder import SharedFolder


@dataclass(frozen=True)
class Score:
    """The metrics of one version, or why it has none."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def score_versions(
    training: Training, runner: Runner, folder: Path, versions: Mapping[str, Path], reporter: Reporter
) -> dict[str, Score]:
    """Score the versions whose files lie in the folders given, by label.

    Args:
        training: whose image, dataset and parameters.
        folder: a run's folder, in which the scoring is written down, too.
        versions: label to a folder with a binary, its record, its compiled form.

    Returns:
        A score for each label, whatever happened.
    """
    shared = SharedFolder.of_run(folder)
    shared.remove(SCORED)
    for label, files in versions.items():
        _put(files, shared, f"{SCORED}/{label}")
    payload = {name: value for name, value in training.payload.items() if name != MEASURE_ON}  # on the test part
    env = {**training.environment, "PAYLOAD": json.dumps(payload), "SCORE": "1"}
    mounts = (*(replace(mount, read_only=True) for mount in training.mounts), Mount("run", folder))
    shared.remove(SCORES)
    try:
        with Transcript(folder / LOG, folder / "scoring.jsonl", reporter, shown=False) as transcript:
            name = f"{training.image}-score-{folder.name.rpartition('-')[2]}"
            model, hardened = training.model.name, training.hardened
            network: Network = "none" if training.offline else "own"
            plan = RunPlan(
                training.image, name, "train", model, env, mounts, hardened=hardened, output=transcript, network=network
            )
            status = runner.run(plan)
        if status:
            return dict.fromkeys(versions, Score(problem=transcript.reason or f"status {status}"))
        return _read(shared, versions)
    finally:
        with contextlib.suppress(OSError):
            shared.remove(SCORED)


def _put(files: Path, shared: SharedFolder, name: str) -> None:
    """A copy of a version in the run's folder."""
    for path in (Path(parent, each) for parent, _, names in os.walk(files) for each in names):
        place = f"{name}/{path.relative_to(files).as_posix()}"
        shared.make_folder(place.rpartition("/")[0])
        with path.open("rb") as content:
            shared.put(place, content)


def _read(shared: SharedFolder, versions: Mapping[str, Path]) -> dict[str, Score]:
    try:
        found: Any = shared.read_json(SCORES)
    except (OSError, ValueError) as error:
        return dict.fromkeys(versions, Score(problem=f"{shared.path / SCORES}: {error}"))
    return {label: _score(found.get(label, {})) for label in versions}


def _score(found: Mapping[str, Any]) -> Score:
    metrics = {name: float(value) for name, value in found.get("metrics", {}).items()}
    return Score(metrics, str(found.get("error", "")) or ("" if metrics else "it was not scored"))
