"""A walk through verbs of make: each is called once and has to print what its help line promises."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

from experiments.conftest import TRAIN
from experiments.tracking import WAIT
from monorepo import Made, Monorepo

from trainyard.host.verbs.verb_table import VERBS, Where

PROJECT = "finance_income_prediction"  # whose models `make demo` serves
CONFIG = """
params: {steps: 1}
promotion: {metric: loss}
tuning:
  metric: loss
  hyperparams:
    x: {default_value: 1.5, tuning: {param_type: choice, values: [1.5, 1.8]}}
"""
# Walked in tests/experiments/test_walk_of_runs.py, and in tests/computes/test_walk_of_computes.py; all others in
# tests/e2e/test_walk.py, but for those that only people who work on Trainyard call.
OF_RUNS = {
    "track", "track-stop", "track-sync", "tune", "experiment", "runs", "run-show", "compare", "report", "reproduce",
    "promote", "rollback", "ci-build", "ci-test", "ci-promote", "ci-files", "ci-report", "ci-train",
    "retrain-service", "retrain", "retrain-token", "retrain-stop",
}  # fmt: skip
OF_COMPUTES = {"compute-add", "computes", "attach", "cancel", "push"}
OF_CONTAINERS = {"track-image", "retrain-image"}  # tests/retrain/test_compose.py
OF_DEVELOPERS = {
    "test", "lint", "format", "bench-serving", "bench-memory", "bench-images", "bench-builds", "bench-scaffold",
    "bench-tuning", "bench-data", "bench-retrain", "bench-ci", "profile-serving",
}  # fmt: skip


def repository(path: Path, engine: str = "process") -> Monorepo:
    """Committed: two models with a configuration, and what merges them."""
    repo = Monorepo(path, engine)
    for name in ("first", "other"):
        model = repo.add_model(name, PROJECT)
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text(CONFIG)
    repo.add_all(PROJECT)
    (repo.path / ".gitignore").write_text(".venv\n.trainyard/\n/projects/*/models/\n/projects/*/runs/\n/mlruns/\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=repo.path, check=True)
    return repo


class Walk:
    """Calls verbs of one Makefile, and remembers which."""

    def __init__(self, repo: Monorepo, where: Where, folder: Path) -> None:
        self.repo, self.where, self.folder = repo, where, folder
        self.called: set[str] = set()

    def __call__(self, verb: str, *arguments: str, part: str = "") -> Made:
        """It has to succeed and to print what the pattern ``part`` finds."""
        made = self.repo.make(self.folder, verb, *arguments, **WAIT).succeeded()
        assert re.search(part, made.out + made.err), f"{verb}: {part!r} is not in\n{made.out}{made.err}"
        self.called.add(verb)
        return made

    def was_whole(self, only: Collection[str] = ()) -> None:
        """Every verb of that Makefile was called, of ``only`` those, or of all that have no walk of their own."""
        verbs = {verb.name for verb in VERBS if verb.where & self.where} - OF_DEVELOPERS - OF_CONTAINERS
        expected = verbs.intersection(only) if only else verbs - OF_RUNS - OF_COMPUTES
        assert expected <= self.called, f"not walked: {expected - self.called}"
