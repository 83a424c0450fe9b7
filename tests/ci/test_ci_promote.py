"""What was trained on a branch competes with the champion once it is merged, and once only."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments.tracking import Tracking, tracking

from ci.branches import Branches

pytestmark = pytest.mark.slow  # an MLflow server


def champion(server: Tracking, name: str = "sums.one") -> int:
    aliases = server.client.get_registered_model(name).aliases
    return int(aliases.get("champion", 0))


def train_on_a_branch(branches: Branches, branch: str, x: float, **env: str) -> None:
    branches.git("checkout", "-q", "-b", branch, "main")
    text = (branches.one.path / "config.yaml").read_text()
    (branches.one.path / "config.yaml").write_text(text.replace(text.split("x: ")[1].split(",")[0], str(x)))
    branches.ask(f"[train] x is {x}")
    made = branches.repo.make(None, "ci-train", **env).succeeded()
    assert "does not compete with the champion" in made.err


def merge(branches: Branches, branch: str, *, squash: bool = False) -> None:
    branches.git("checkout", "-q", "main")
    if squash:  # as hosts write the message
        message = branches.git("log", "--reverse", "--format=* %B", f"main..{branch}")
        branches.git("merge", "-q", "--squash", branch)
        branches.git("commit", "-q", "-m", f"Squashed\n\n{message}")
    else:
        branches.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
    branches.git("push", "-q", "origin", "main")


def test_what_is_merged_competes_once(tmp_path: Path) -> None:
    branches = Branches(tmp_path)
    repo = branches.repo
    with tracking(tmp_path / "tracker") as server:
        env = {"TRACKING_URI": server.url, "TRACKING_TIMEOUT": "60"}
        assert "Nothing was trained" in repo.make(None, "ci-promote", **env).succeeded().err
        train_on_a_branch(branches, "first", 1.0, **env)
        assert champion(server) == 0, "a branch has no champion"
        assert "Nothing was trained" in repo.make(None, "ci-promote", "SINCE=HEAD", **env).succeeded().err
        merge(branches, "first")
        assert "would compete" in repo.make(None, "-n", "ci-promote", **env).succeeded().out
        assert "sums/one: version 1 is the champion" in repo.make(None, "ci-promote", **env).succeeded().out
        assert champion(server) == 1
        assert "Nothing was trained" in repo.make(None, "ci-promote", **env).succeeded().err
        # A worse one is no failure, and a better one that was squashed is found, too.
        train_on_a_branch(branches, "worse", 0.0, **env)
        merge(branches, "worse")
        assert "sums/one: version 2 is not the champion" in repo.make(None, "ci-promote", **env).succeeded().out
        train_on_a_branch(branches, "better", 2.0, **env)
        merge(branches, "better", squash=True)
        assert "sums/one: version 3 is the champion" in repo.make(None, "ci-promote", **env).succeeded().out
        assert champion(server) == 3
        # What was asked for on main itself competes at once.
        branches.one.replace("config.yaml", "x: 2.0", "x: 2.5")
        branches.ask("[train] On main")
        assert "Version 4 of sums.one is not the champion" in repo.make(None, "ci-train", **env).succeeded().err
        assert "Nothing was trained" in repo.make(None, "ci-promote", **env).succeeded().err
    repo.make(None, "ci-promote").failed("there is no tracker", "TRACKING_URI=")


def test_results_without_a_version_are_said_and_stop_nothing(tmp_path: Path) -> None:
    branches = Branches(tmp_path)
    branches.ask("[train sums/one sums/two]")
    branches.repo.make(None, "ci-train").succeeded()
    with tracking(tmp_path / "tracker") as server:
        made = branches.repo.make(None, "ci-promote", TRACKING_URI=server.url).succeeded()
        assert "sums/one: there is no version that was trained for" in made.out
        assert "sums/two: there is no version" in made.out
        server.kill()
        made = branches.repo.make(None, "ci-promote", TRACKING_URI=server.url, TRACKING_TIMEOUT="1")
        made.failed("sums/one, sums/two failed")
        assert "cannot be reached" in made.err
