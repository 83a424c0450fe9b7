"""The third-party monorepo, built and trained once, with our images under their historical names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from images import docker, ensure_builders, environment, exists
from needs import need
from shopping import IMAGES, MODELS, MONOREPO, OWNER, TAGS, Alone, Shopping


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What builds images needs s2i."""
    for item in items:
        if item.path == Path(__file__).with_name("test_historical_layout.py"):
            item.add_marker(pytest.mark.s2i)


@pytest.fixture(scope="session")
def historical_names() -> Iterator[None]:
    """Our builder images under the names that build.sh says; what had these names gets them back."""
    ensure_builders()
    before = {name: docker("images", "--quiet", name).strip() for _, name in TAGS}
    for ours, name in TAGS:
        docker("tag", ours, name)
    yield
    for name, image in before.items():
        docker("tag", image, name) if image else docker("rmi", name)


@pytest.fixture(scope="session")
def shopping(historical_names: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shopping]:
    """The project, with both images of both models."""
    for program in ("bash", "curl"):  # of their scripts
        need(program)
    path = tmp_path_factory.mktemp("historical") / "repo"
    shutil.copytree(MONOREPO, path)
    if os.getuid() == 0:
        os.chown(path / "shopping" / "models", OWNER, OWNER)
    # Their recipes say `sh build.sh` and mean bash, as it was on their machines: under dash `[[` is an unknown command,
    # and the script builds nothing and succeeds.
    toolbox = tmp_path_factory.mktemp("toolbox")
    (toolbox / "sh").symlink_to(shutil.which("bash") or "bash")
    shopping = Shopping(path / "shopping", {"PATH": f"{toolbox}{os.pathsep}{environment()['PATH']}"})
    yield shopping
    for image in (f"{IMAGES}-all", *(f"{IMAGES}-{model}-{role}" for model in MODELS for role in ("train", "predict"))):
        if exists(image):
            docker("rmi", "--force", image)


@pytest.fixture(scope="session")
def trained(shopping: Shopping) -> Shopping:
    """The project after `make build-train train` of both models."""
    for model in MODELS:
        built = shopping.make(model, "build-train")
        assert exists(f"{IMAGES}-{model}-train"), built.output
        done = shopping.finish(shopping.terminal(model, "train"))
        assert done.status == 0, done.output
    return shopping


@pytest.fixture(scope="session")
def alone(trained: Shopping) -> dict[str, Alone]:
    """What the predict image of each model answers, after `make build-predict predict test-endpoint`."""
    return {model: trained.serve_alone(model) for model in MODELS}
