"""A monorepo with a data store that is a folder, and a model whose training data is to come from it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Model, Monorepo


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    yield Monorepo(tmp_path_factory.mktemp("packages") / "repo")


@pytest.fixture
def lake(repo: Monorepo, tmp_path: Path) -> Path:
    """The folder of the data store `lake`, which is not made yet."""
    folder = tmp_path / "a lake"
    (repo.path / "datastores.yaml").write_text(f"lake:\n  url: {folder}\n  credentials: none\n")
    return folder


@pytest.fixture
def model(repo: Monorepo, request: pytest.FixtureRequest) -> Model:
    """A fresh model, of a project of its own, with sample data."""
    name = f"m{zlib.crc32(request.node.nodeid.encode()):x}"
    model = repo.add_model(name, project=f"p{name}")
    sample = model.path / "sample_training_data" / "data"
    sample.mkdir(parents=True)
    (sample / "numbers.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    (sample / "of a year.csv").write_text("a,b\n")
    (model.path.parent / "data" / "numbers.csv").unlink()  # what trains on it would train on the wrong data
    return model


@pytest.fixture
def configured(repo: Monorepo, lake: Path, model: Model) -> Model:
    """The same with its places named."""
    (model.path / "config.yaml").write_text(
        f"training:\n  data: lake:{model.name}/data\n  results: lake:{model.name}/results\n"
    )
    return model
