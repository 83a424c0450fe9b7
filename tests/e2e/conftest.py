"""A monorepo for the tests of one file, a fresh model in it for each test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import ROOT, Model, Monorepo
from wheels import build_wheel, install


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    yield Monorepo(tmp_path_factory.mktemp("repo"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """``trainyard``, in an environment that has nothing else."""
    return str(install(wheel, tmp_path_factory.mktemp("installed") / "venv"))


@pytest.fixture
def model(repo: Monorepo, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A fresh model for each test."""
    model = repo.add_model("model_" + re.sub("[^a-z0-9]+", "_", request.node.name.lower())[-40:].strip("_"))
    yield model
    shutil.rmtree(model.path)
