"""make clean ALL=1: what is left on the machine, and what is not. On the engine of ENGINE alone: others are shared."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from monorepo import ROOT, Made, Model, Monorepo, borrow_environment

from trainyard.host.engines.container.unused import Found, removable


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo")


@pytest.fixture
def model(repo: Monorepo, tmp_path: Path) -> Model:
    """A model that was trained, beside a file of somebody's own, and a folder of runs that leads elsewhere."""
    model = repo.add_model("double")
    project = model.path.parent
    (project / "models" / "double_labels").mkdir(parents=True)
    (project / "models" / "double_labels" / "a.txt").write_text("x")
    (project / "models" / "own.bin").write_text("x" * 3_000_000)
    model.binary.write_text("x" * 2_000_000)
    model.record.write_text(json.dumps({"model_name": "double", "sha256": "0" * 64}))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("x")
    (project / "models" / ".compiled").symlink_to(tmp_path / "outside")
    (project / "runs" / "one").mkdir(parents=True)
    (project / "runs" / "one" / "out").symlink_to(tmp_path / "outside")
    (repo.path / ".trainyard").mkdir(exist_ok=True)
    (repo.path / ".trainyard" / "log").write_text("x" * 5_000_000)
    (tmp_path / "cache" / "trainyard" / "locks").mkdir(parents=True)
    return model


def clean(repo: Monorepo, tmp_path: Path, *arguments: str) -> Made:
    if not (repo.path / ".venv").exists():
        borrow_environment(repo.path / ".venv")
    return repo.make(None, *arguments, "clean", XDG_CACHE_HOME=str(tmp_path / "cache"))


@pytest.mark.slow
def test_all_of_it_is_shown_and_then_removed(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    project = model.path.parent
    shown = clean(repo, tmp_path, "-n", "ALL=1").succeeded()
    for path in (repo.path / ".trainyard", repo.path / ".venv", tmp_path / "cache" / "trainyard"):
        assert f"rm -r {path}" in shown.out
        assert path.exists()
    assert "To free: 5 MB" in shown.err
    made = clean(repo, tmp_path, "ALL=1").succeeded()
    assert "Freed: 5 MB" in made.err
    assert "RUNS=1 removes them, too" in made.err
    assert sorted(path.name for path in repo.path.iterdir() if path.name.startswith(".")) == []
    assert not (tmp_path / "cache" / "trainyard").exists()
    assert model.binary.exists()
    assert (ROOT / ".venv").exists()
    made = clean(repo, tmp_path, "ALL=1", "RUNS=1").succeeded()
    assert "Freed: 2 MB" in made.err
    assert not (project / "runs").exists()
    assert sorted(path.name for path in (project / "models").iterdir()) == [".compiled", "own.bin"]
    assert (tmp_path / "outside" / "kept").exists()


def test_runs_alone_is_a_mistake(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    clean(repo, tmp_path, "RUNS=1").failed("RUNS=1 alone removes nothing: make clean ALL=1 RUNS=1")
    assert model.binary.exists()


def found(image: str, layers: str, size: int, *names: str) -> Found:
    return Found(image, names, tuple(layers), size, datetime.now(UTC))


BASE = found("base", "a", 100, "trainyard/base:1", "trainyard/base:latest")
SHARED = found("deps", "ab", 250, "trainyard/deps:1")
OURS = found("ours", "abc", 260, "m-predict:latest")
UNNAMED = found("unnamed", "abd", 255)
OTHERS = found("others", "abe", 270, "n-predict:latest")
OWN = {"ours": "m-predict", "unnamed": "m-train"}


def test_what_others_stand_on_stays() -> None:
    assert removable([BASE, SHARED, OURS, UNNAMED, OTHERS], OWN) == {"m-predict:latest": 10, "unnamed": 5}


def test_without_others_all_of_it_goes_the_top_first() -> None:
    expected = {"m-predict:latest": 10, "unnamed": 5, "trainyard/deps:1": 150, "trainyard/base:1": 100}
    removed = removable([BASE, SHARED, OURS, UNNAMED], OWN)
    assert removed == {**expected, "trainyard/base:latest": 0}
    assert list(removed) == [*expected, "trainyard/base:latest"]


def test_an_image_that_somebody_has_named_stays_with_what_it_stands_on() -> None:
    named = found("ours", "abc", 260, "m-predict:latest", "registry.example/m:1")
    assert removable([BASE, SHARED, named], OWN) == {}
