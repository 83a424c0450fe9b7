"""make ci-test: what a change touches is served, and asked for predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.branches import Branches

pytestmark = pytest.mark.slow  # servers


def test_models_that_changed_are_asked(tmp_path: Path) -> None:
    branches = Branches(tmp_path)
    repo = branches.repo
    assert "nothing is tested" in repo.make(None, "ci-test", "SINCE=HEAD").succeeded().err
    for model in (branches.one, branches.two):
        model.replace("train.py", "A parabola", "A curve")
    shown = repo.make(None, "-n", "ci-test", "SINCE=main").succeeded().out
    assert "serve sums/one, and post projects/sums/one/" in shown
    made = repo.make(None, "ci-test", "SINCE=main").succeeded()
    assert "sums/one: not tested: projects/sums/models/one.pkl is not here" in made.out
    repo.make(branches.one, "train").succeeded()
    made = repo.make(None, "ci-test", "SINCE=main").succeeded()
    assert "sums/one: ok\nsums/two: not tested" in made.out
    # One that fails is named with its reason, stops no other, and leaves no server.
    repo.make(branches.two, "train").succeeded()
    branches.one.replace("predict.py", "    return {", "    raise ValueError('broken')\n    return {")
    made = repo.make(None, "ci-test", "SINCE=main")
    made.failed("sums/one failed")
    assert "broken" in made.err and "sums/two: ok" in made.out
    assert "does not run" in repo.make(branches.one, "stop").succeeded().err
    branches.two.replace("predict.py", "def predict_", "def gone_")
    made = repo.make(None, "ci-test", "SINCE=main")
    made.failed("sums/one, sums/two failed")
