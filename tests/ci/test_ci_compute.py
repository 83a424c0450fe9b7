"""A small runner submits, and another machine trains: a job that ends meanwhile is followed home by the next one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monorepo import interrupt
from needs import need
from waiting import until

from ci.branches import Branches, git

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


def test_a_run_on_a_compute_is_followed_home(tmp_path: Path) -> None:
    need("docker")
    branches = Branches(tmp_path, "docker")
    branches.repo.make(None, "compute-add", "NAME=here", "KIND=local", f"FOLDER={tmp_path}/far").succeeded()
    for model in (branches.one, branches.two):
        model.replace("config.yaml", "x: 0.0, steps: 1", "x: 1.0, steps: 40, pause: 0.5")
    asking = branches.ask("[train]")
    try:
        job = branches.repo.spawn(None, "ci-train", "COMPUTE=here")
        until(lambda: list(branches.project.glob("runs/*/metrics.jsonl")), 300, job.poll)
        assert "make attach" in interrupt(job)
        assert [run["status"] for run in branches.runs()] == ["running"]
        assert git(branches.remote, "rev-parse", "work") == asking
        branches.two.replace("config.yaml", "steps: 40", "steps: 1")
        branches.repo.make(None, "ci-train", "COMPUTE=here").succeeded()
        assert [(run["model"], run["status"], run["compute"]) for run in branches.runs()] == [
            ("sums/one", "finished", "here"), ("sums/two", "finished", "here")
        ]  # fmt: skip
        assert json.loads(branches.pushed("projects/sums/training_metrics.json"))["one"]["loss"] == 1.0
    finally:
        branches.repo.make(None, "clean").succeeded()
