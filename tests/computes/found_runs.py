"""What runs of a model say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monorepo import Model


def runs(model: Model) -> set[Path]:
    return {path.parent for path in (model.path.parent / "runs").glob("*/run.json")}


def newest(model: Model) -> Path:
    return max(runs(model))


def said(run: Path) -> Any:
    return json.loads((run / "run.json").read_text())


def points(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def trials_of_newest(model: Model) -> list[Any]:
    tuning = tunings(model)[-1]["id"]
    found = [said(run) for run in sorted(runs(model))]
    return [one for one in found if one["kind"] == "trial" and one["parent"] == tuning]


def tunings(model: Model) -> list[Any]:
    return [one for run in sorted(runs(model)) if (one := said(run))["kind"] == "tuning"]


def trials(model: Model) -> list[Any]:
    """Parameters, metrics and points of each trial of the latest tuning."""
    found = sorted(trials_of_newest(model), key=lambda one: int(one["tags"]["trial"]))
    return [(one["params"], one["metrics"], one["status"], one["tags"].get("shape")) for one in found]
