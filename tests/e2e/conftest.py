"""A monorepo for the tests of one file, a fresh model in it for each test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from monorepo import Model, Monorepo


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    yield Monorepo(tmp_path_factory.mktemp("repo"))


@pytest.fixture
def model(repo: Monorepo, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A fresh model for each test."""
    model = repo.add_model("model_" + re.sub("[^a-z0-9]+", "_", request.node.name.lower())[-40:].strip("_"))
    yield model
    shutil.rmtree(model.path)
