"""A monorepo in git with a tracker and a retrain service; a git server of other repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments.conftest import TRAIN
from experiments.reproductions import commit, in_git
from experiments.tracking import Tracking
from monorepo import Model, Monorepo

from retrain.git_servers import GitServer, git_server
from retrain.services import Service


@pytest.fixture(scope="module")
def tracked_repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Monorepo, Tracking]]:
    """In a folder with a space in its name."""
    repo = in_git(Monorepo(tmp_path_factory.mktemp("repo") / "of mine"))
    for name in ("first", "second", "third"):
        model = repo.add_model(name, project=f"p{name}")
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    commit(repo)
    tracking = Tracking(repo)
    tracking.start()
    yield repo, tracking
    tracking.stop()


@pytest.fixture(scope="module")
def service(tracked_repo: tuple[Monorepo, Tracking]) -> Iterator[Service]:
    repo, tracking = tracked_repo
    service = Service(repo, tracking.url, {"RETRAIN_JOBS": "2"})
    service.start()
    yield service
    service.stop()


@pytest.fixture
def first(tracked_repo: tuple[Monorepo, Tracking]) -> Model:
    repo, _ = tracked_repo
    return Model(repo.path / "projects/pfirst/first", "pfirst", "first", repo.container("pfirst-first"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "served") as found:
        yield found
