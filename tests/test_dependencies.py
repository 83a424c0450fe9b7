"""Locks: resolved together, committed, noticed when they are stale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from monorepo import Model, Monorepo


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo")


@pytest.fixture
def model(repo: Monorepo) -> Model:
    model = repo.add_model("one")
    (model.path / "requirements_train.txt").write_text("colorama\ntabulate<0.9\n")
    (model.path / "requirements_predict.txt").write_text("colorama\ntabulate\n")
    return model


def lock(model: Model, role: str) -> str:
    return (model.path / f"requirements_{role}.lock").read_text()


def test_train_and_predict_get_one_version_of_what_both_use(repo: Monorepo, model: Model) -> None:
    repo.make(model, "lock").succeeded()
    assert "tabulate==0.8.10" in lock(model, "train")
    assert "tabulate==0.8.10" in lock(model, "predict")
    for role in ("train", "predict"):
        assert "--hash=sha256:" in lock(model, role)
        assert "gunicorn==" in lock(model, role)


def test_a_committed_lock_is_used_until_the_requirements_change(repo: Monorepo, model: Model) -> None:
    repo.make(model, "lock").succeeded()
    shown = repo.make(model, "show").succeeded()
    assert "projects/sums/one/requirements_train.lock" in shown.out
    assert "stale" not in shown.err
    (model.path / "requirements_train.txt").write_text("colorama\n")
    shown = repo.make(model, "show").succeeded()
    assert f"{model.path}/requirements_train.lock: stale" in shown.err
    assert "make lock" in shown.err


def test_equal_requirements_share_one_environment(repo: Monorepo) -> None:
    for name in ("one", "two"):
        model = repo.add_model(name)
        for role in ("train", "predict"):
            repo.make(model, f"build-{role}").succeeded()
    assert len(list(repo.path.glob(".trainyard/process/deps/*"))) == 1


def test_a_package_that_is_not_the_locked_one_is_refused(repo: Monorepo, model: Model) -> None:
    repo.make(model, "lock").succeeded()
    path = model.path / "requirements_predict.lock"
    before, name, after = path.read_text().partition("tabulate==0.8.10")
    path.write_text(before + name + re.sub("sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, after, count=2))
    repo.make(model, "build-predict").failed("requirements.lock", "make lock")
    assert not list(repo.path.glob(".trainyard/process/images/*/image.json"))
