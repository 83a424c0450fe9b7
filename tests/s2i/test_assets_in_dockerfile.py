"""``docker build --build-arg use_pre_trained_model=true|false`` on the Dockerfile that s2i writes."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
from images import TRAIN, WRAPPERS, Done, Workshop, config, predictions, run, serving
from monorepo import Model, Monorepo, ask

from trainyard.host.monorepo.sources import model_context
from trainyard.host.operations.session import open_session
from trainyard.host.requirements.requirement_files import model_requirement
from trainyard.host.support.reporter import SILENT


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Monorepo, Model]:
    """One with pretrained assets that multiply by 7, and a package that multiplies by 2."""
    folder = tmp_path_factory.mktemp("assets")
    repo = Monorepo(folder / "repo")
    model = repo.add_model("sum", "shop")
    published = folder / "lake" / "model.pkl"
    published.parent.mkdir()
    published.write_bytes(pickle.dumps({"factor": 7}))
    (repo.path / "datastores.yaml").write_text(f"lake: {{url: {published.parent}, credentials: none}}\n")
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    (model.path / "config.yaml").write_text(
        f"training:\n  assets:\n    pretrained: {{url: 'lake:model.pkl', sha256: {digest}}}\n"
    )
    repo.make(model, "package").succeeded()
    return repo, model


@pytest.fixture(scope="module")
def builder(workshop: Workshop, model: tuple[Monorepo, Model]) -> str:
    """The image with the model's dependencies: a build needs no network then."""
    repo, one = model
    image = workshop.name("of-assets-predict")
    repo.make(one, "build-predict", f"CONTAINER_NAME={image.removesuffix('-predict')}", ENGINE="docker").succeeded()
    return str(config(image)["Labels"]["io.openshift.s2i.build.image"].removeprefix("docker.io/"))


def dockerfile(repo: Monorepo, model: Model, folder: Path, builder: str) -> tuple[Done, Path]:
    session = open_session(model.path, SILENT)
    found = session.repository.model(model.path)
    lock = session.resolver.model_lock(found, "predict")
    context, target = folder / "context", folder / "out" / "Dockerfile"
    model_context(found, model_requirement(found, "predict").text, lock.text).write(context)
    target.parent.mkdir()
    done = run(
        [str(WRAPPERS / "s2i"), "build", "--copy", str(context), builder, "image", "--as-dockerfile", str(target)],
        cwd=repo.path,
    )
    assert done.status == 0, done.output
    return done, target


def build(workshop: Workshop, folder: Path, *options: str) -> tuple[Done, str]:
    image = workshop.name("switched" + "".join(options[-1:])[-5:].strip("="))
    command = ["docker", "build", "--force-rm", "--network", "none", "--tag", image, *options, str(folder)]
    return run(command, env={"DOCKER_BUILDKIT": "0"}), image


def test_the_historical_switch(
    workshop: Workshop, model: tuple[Monorepo, Model], builder: str, tmp_path: Path
) -> None:  # fmt: skip
    done, target = dockerfile(*model, tmp_path, builder)
    assert "pretrained and trained can be had" in done.output
    for value, expected in (("true", 21), ("false", 6)):
        done, image = build(workshop, target.parent, "--build-arg", f"use_pre_trained_model={value}")
        assert done.status == 0, done.output
        assert config(image)["Labels"]["trainyard.assets.use_pre_trained_model"] == value
        with serving(image) as port:
            assert predictions(port, "sum/predict", [[1, 2]]) == [expected]
    done, _ = build(workshop, target.parent, "--build-arg", "use_pre_trained_model=maybe")
    assert done.status != 0
    assert "use_pre_trained_model.maybe" in done.output


def test_docker_builds_with_assets(workshop: Workshop, model: tuple[Monorepo, Model]) -> None:
    repo, one = model
    image = f"{workshop.prefix}-of-docker-predict"
    name = f"CONTAINER_NAME={image.removesuffix('-predict')}"
    repo.make(one, "build-predict", "ASSETS=pretrained", name, ENGINE="docker").succeeded()
    labels = config(image)["Labels"]
    assert labels["trainyard.assets"] == "pretrained"
    assert labels["trainyard.assets.from"].startswith("sum=lake:model.pkl@sha256:")
    with serving(image) as port:
        assert predictions(port, "sum/predict", [[1, 2]]) == [21]
        assert "pretrained assets, from lake:model.pkl" in ask(port, "")[1]
    repo.make(one, "clean", name, ENGINE="docker").succeeded()


def test_a_train_image_gets_none(workshop: Workshop, model: tuple[Monorepo, Model], tmp_path: Path) -> None:
    _, target = dockerfile(*model, tmp_path, TRAIN)
    assert "use_pre_trained_model" not in target.read_text()


def test_what_cannot_be_had_is_said(model: tuple[Monorepo, Model], builder: str, tmp_path: Path) -> None:
    repo, one = model
    shutil.rmtree(repo.path / ".trainyard" / "assets")
    lake = repo.path.parent / "lake"
    lake.rename(lake.with_name("away"))
    try:
        done, target = dockerfile(repo, one, tmp_path, builder)
    finally:
        lake.with_name("away").rename(lake)
    assert "warning: --build-arg use_pre_trained_model=true has nothing to copy: lake:" in done.output
    assert "ARG use_pre_trained_model=false\n" in target.read_text()
