"""A workshop that builds with the real s2i, and images that several tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contexts import FILES, write_context
from images import DAEMON, Workshop, config, ensure_builders
from monorepo import Monorepo

from trainyard.host.monorepo.sources import model_context
from trainyard.host.operations.session import open_session
from trainyard.host.requirements.requirement_files import model_requirement
from trainyard.host.support.reporter import SILENT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs s2i."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.s2i)


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    ensure_builders()
    workshop = Workshop("s2i")
    yield workshop
    workshop.close()


@pytest.fixture(scope="session")
def plain(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that s2i built from plain requirements; its sources are readable by their owner only."""
    context = write_context(tmp_path_factory.mktemp("plain"), {"requirements.txt": "colorama==0.4.6\n"})
    for name in ("shop/sum/predict.py", "shop/sum/offset.txt"):
        (context / name).chmod(0o600)
    image = workshop.name("plain")
    workshop.build(context, DAEMON, image)
    return image


@pytest.fixture(scope="session")
def on_dependencies(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model's context as make builds it, and the image with its dependencies that make builds it on."""
    monorepo = Monorepo(tmp_path_factory.mktemp("monorepo") / "repo", engine="docker")
    model = monorepo.add_model("sum", "shop", route="sum/predict")
    (model.path / ".s2i" / "environment").write_text(FILES[".s2i/environment"])
    for name in ("predict.py", "offset.txt"):
        (model.path / name).write_text(FILES[f"shop/sum/{name}"])
    image = workshop.name("by-make-predict")
    monorepo.make(model, "build-predict", f"CONTAINER_NAME={image.removesuffix('-predict')}").succeeded()
    session = open_session(model.path, SILENT)
    found = session.repository.model(model.path)
    lock = session.resolver.model_lock(found, "predict")
    context = tmp_path_factory.mktemp("context")
    model_context(found, model_requirement(found, "predict").text, lock.text).write(context)
    return context, config(image)["Labels"]["io.openshift.s2i.build.image"].removeprefix("docker.io/")
