"""make ci-train is killed at each of its steps, and started again: nothing is done twice, lost or half-pushed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ci.branches import git
from ci.test_ci_dvc import WithDvc

pytestmark = pytest.mark.slow
BINARY = "models/one.pkl"
# What it says as a step begins; the last is said when the results are on the branch.
MOMENTS = ("dvc update", "dvc pull", "Run ", "dvc commit", "dvc push", "Pushed", "Wrote report.md")


def kill_at(branches: WithDvc, moment: str) -> None:
    """Run it until it says ``moment``; then no process of it lives on."""
    argv = ["make", "ci-train", "REPORT=report.md", f"ENGINE={branches.repo.engine}"]
    process = subprocess.Popen(argv, cwd=branches.repo.path, env=branches.repo.environment(), start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if f"---> {moment}" in line:
            break
    else:
        pytest.fail(f"it never says {moment}: {''.join(said)}")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


def results(branches: WithDvc, asking: str) -> list[str]:
    """The commits of the branch with the results for ``asking``."""
    return git(branches.remote, "log", f"--grep=^Trained-For: {asking}", "--format=%H", "work").split()


def stored(branches: WithDvc, commit: str) -> bool:
    """Whether the remote of DVC has the binary that a commit names."""
    lock = yaml.safe_load(git(branches.remote, "show", f"{commit}:projects/sums/dvc.lock"))
    (sum_,) = [out["md5"] for out in lock["stages"]["one"]["outs"] if out["path"] == BINARY]
    return (branches.store / "files" / "md5" / sum_[:2] / sum_[2:]).is_file()


@pytest.mark.parametrize(
    "moments", [MOMENTS[4:6], pytest.param(MOMENTS, marks=pytest.mark.nightly)], ids=["two", "each"]
)
def test_killed_at_a_step(tmp_path: Path, moments: tuple[str, ...]) -> None:
    branches = WithDvc(tmp_path)
    for number, moment in enumerate(moments):
        branches.source.write_text("a,b\n" + "1,2\n" * (number + 3))
        branches.one.replace("train.py", "A parabola", f"A parabola {number}")
        asking = branches.ask(f"[train sums/one] {moment}")
        kill_at(branches, moment)
        before = results(branches, asking)
        assert all(stored(branches, commit) for commit in before), moment
        branches.repo.make(None, "ci-train", "REPORT=report.md").succeeded()
        (commit,) = results(branches, asking)
        assert before in ([], [commit]), moment
        assert stored(branches, commit), moment
        runs = [run for run in branches.runs() if run["tags"].get("trained_for") == asking]
        assert Counter(run["status"] for run in runs)["finished"] == 1, moment
        assert len(runs) <= 2, moment
        metrics = json.loads(branches.pushed("projects/sums/training_metrics.json"))["one"]
        assert metrics == next(run["metrics"] for run in runs if run["status"] == "finished"), moment
        assert "sums/one" in (branches.repo.path / "report.md").read_text()
        git(branches.remote, "fsck", "--strict")
        branches.git("fetch", "-q", "origin")
        branches.git("reset", "-q", "--hard", "origin/work")
