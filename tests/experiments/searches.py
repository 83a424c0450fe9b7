"""A search for the lowest point of the parabola, and what is left of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from monorepo import Model

CONFIG = """
params: {steps: 1}
tuning:
  metric: loss
  max_trials: 6
  seed: 5
  hyperparams:
    x:
      default_value: 0.5
      tuning: {param_type: float, min: 0.0, max: 4.0}
"""


def configure(model: Model, text: str = CONFIG, *changes: tuple[str, str]) -> None:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (model.path / "config.yaml").write_text(text)


def runs(model: Model, kind: str = "") -> list[dict[str, Any]]:
    """The runs of the model's project, the oldest first."""
    found = [json.loads(path.read_text()) for path in (model.path.parent / "runs").glob("*/run.json")]
    return sorted((run for run in found if kind in ("", run["kind"])), key=lambda run: str(run["started"]))


def tuning(model: Model) -> dict[str, Any]:
    (run,) = runs(model, "tuning")
    return run


def trials(model: Model) -> list[dict[str, Any]]:
    return sorted(runs(model, "trial"), key=lambda run: int(run["tags"]["trial"]))


def tuned(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((model.path / "hyperparameters.yaml").read_text())
    return found


def workers(model: Model) -> list[int]:
    """The process ids of the workers that tune ``model``, without those of their trials."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_text().endswith("\0trials\0") and model.name in str((path.parent / "cwd").readlink()):
                found[int(path.parent.name)] = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return sorted(pid for pid, parent in found.items() if parent not in found)
