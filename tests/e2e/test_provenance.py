"""What is trained and served is what the sources say, and a record says what was trained."""

from __future__ import annotations

import json
import pickle
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from monorepo import Model, Monorepo, ask, free_port

pytestmark = pytest.mark.slow

IGNORED = (".trainyard/", ".venv", "__pycache__/", "/projects/*/models/", "/projects/*/runs/", "*.log")
SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'
UNKNOWN = {"commit": "unknown", "dirty": "unknown"}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    """A monorepo in git."""
    repo = Monorepo(tmp_path_factory.mktemp("repo"))
    (repo.path / ".gitignore").write_text("".join(f"{line}\n" for line in IGNORED))
    git(repo, "init", "--quiet")
    commit(repo)
    yield repo


@pytest.fixture
def trained(repo: Monorepo, model: Model) -> Model:
    """It is committed, its train image is built."""
    (model.path.parent / "training_metrics.json").unlink(missing_ok=True)
    commit(repo)
    repo.make(model, "train").succeeded()
    return model


def git(repo: Monorepo, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(repo.path), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Monorepo) -> str:
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", "a step")
    return git(repo, "rev-parse", "HEAD")


def edit(model: Model, factor: int = 10) -> None:
    model.replace("train.py", 'payload.get("factor", 2)', f'payload.get("factor", {factor})')


def factor(model: Model) -> int:
    found: int = pickle.loads(model.binary.read_bytes())["factor"]
    return found


def record(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.record.read_text())
    return found


def run_of(model: Model) -> dict[str, Any]:
    """The run that left the binary."""
    paths = (model.path.parent / "runs").glob("*/run.json")
    (found,) = (run for run in (json.loads(path.read_text()) for path in paths) if is_of(run, model))
    return dict(found)


def is_of(run: dict[str, Any], model: Model) -> bool:
    path = model.path.parent / "runs" / run["id"] / "record.json"
    return run["model_name"] == model.name and path.is_file() and json.loads(path.read_text()) == record(model)


def git_tags(model: Model) -> dict[str, str]:
    return {name: value for name, value in run_of(model)["tags"].items() if name in ("commit", "dirty")}


# -- building first ---------------------------------------------------------------------------------------------------


def test_an_edit_is_built_before_it_is_trained(repo: Monorepo, trained: Model) -> None:
    edit(trained)
    made = repo.make(trained, "train").succeeded()
    assert f"The sources have changed since {trained.container}-train was built" in made.err
    assert factor(trained) == 10
    made = repo.make(trained, "train").succeeded()
    assert "Built" not in made.err
    assert "up to date" not in made.err


def test_an_edit_is_built_before_it_is_served(repo: Monorepo, trained: Model) -> None:
    repo.make(trained, "build-predict").succeeded()
    trained.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
    with repo.serving(trained) as port:
        assert json.loads(ask(port, f"{trained.name}/predict", SAMPLE)[1])["payload"]["predictions"] == [7, 15]


def test_requirements_that_cannot_be_built_train_nothing(repo: Monorepo, trained: Model) -> None:
    before = trained.record.read_bytes()
    (trained.path / "requirements_train.txt").write_text("orjson<3.10\n")
    repo.make(trained, "train").failed("requirements_train.txt", "cannot be resolved", "orjson")
    assert trained.record.read_bytes() == before
    repo.make(trained, "train", "BUILD=0").succeeded()


def test_a_dry_run_shows_the_build_and_the_training(repo: Monorepo, trained: Model) -> None:
    before = trained.record.read_bytes()
    assert "s2i/bin/assemble" not in repo.make(trained, "-n", "train").succeeded().out
    edit(trained)
    shown = repo.make(trained, "-n", "train").succeeded().out
    assert shown.index("s2i/bin/assemble") < shown.index("s2i/bin/run")
    assert trained.record.read_bytes() == before


def test_a_dry_run_without_its_engine(repo: Monorepo, model: Model) -> None:
    for verb, role in (("train", "train"), ("predict", "predict")):
        made = repo.make(model, "-n", verb, "ENGINE=docker", DOCKER_HOST="unix:///nonexistent.sock").succeeded()
        assert f"{model.container}-{role}" in made.out


def test_a_merged_image_is_built_before_it_is_served(repo: Monorepo) -> None:
    model, folder = repo.add_model("alone", "merging"), repo.add_all("merging")
    repo.make(folder, "train-all").succeeded()
    with repo.serving(folder, "predict-all"):
        pass
    port = free_port()
    try:
        made = repo.make(folder, "predict-all", "DETACH=1", f"PORT={port}").succeeded()
        assert "Built" not in made.err
        assert "up to date" not in made.err
    finally:
        repo.make(folder, "stop").succeeded()
    edit(model)
    model.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
    repo.make(folder, "train-all", "BUILD=0").succeeded()
    assert (factor(model), record(model)["built"]["sources"]) == (2, "changed")
    repo.make(folder, "train-all").succeeded()
    assert factor(model) == 10
    with repo.serving(folder, "predict-all", BUILD="0") as port:
        assert json.loads(ask(port, "alone/predict", SAMPLE)[1])["payload"]["predictions"] == [30, 70]
    with repo.serving(folder, "predict-all") as port:
        assert json.loads(ask(port, "alone/predict", SAMPLE)[1])["payload"]["predictions"] == [31, 71]


# -- BUILD=0 ----------------------------------------------------------------------------------------------------------


def test_what_is_not_built_is_recorded_as_what_it_is(repo: Monorepo, trained: Model) -> None:
    before = record(trained)
    assert before["built"]["sources"] == "same"
    edit(trained)
    commit(repo)
    made = repo.make(trained, "train", "BUILD=0").succeeded()
    assert f"the sources have changed since {trained.container}-train was built" in made.err
    assert "BUILD=0" in made.err
    assert factor(trained) == 2
    assert record(trained)["commit"] == before["commit"]
    assert record(trained)["built"] == {**before["built"], "sources": "changed"}
    run = run_of(trained)
    assert run["built"] == record(trained)["built"]
    assert run["tags"] | {"commit": before["commit"], "dirty": "false", "sources": "changed"} == run["tags"]
    image = json.loads((repo.path / f".trainyard/process/images/{trained.container}-train/image.json").read_text())
    assert run["tags"]["image_identity"] == image["identity"] == run["built"]["identity"]


def test_the_parameters_of_another_commit_than_the_images(repo: Monorepo, trained: Model) -> None:
    built = record(trained)["commit"]
    (trained.path / "config.yaml").write_text("params: {x: 1}\n")
    edit(trained)
    commit(repo)
    repo.make(trained, "train", "BUILD=0").succeeded()
    assert record(trained)["commit"] == f"{built}-dirty"


def test_nothing_to_run(repo: Monorepo, model: Model) -> None:
    for verb, role in (("train", "train"), ("predict", "predict"), ("tune", "train")):
        (model.path / "config.yaml").write_text(
            "tuning: {metric: rows, hyperparams: {x: {default_value: 1, tuning: {param_type: int, min: 1, max: 2}}}}\n"
        )
        made = repo.make(model, verb, "BUILD=0")
        made.failed(f"BUILD=0, and there is no image {model.container}-{role}", f"make build-{role}")


# -- the commit -------------------------------------------------------------------------------------------------------


def test_the_commit_is_that_of_what_was_trained(repo: Monorepo, trained: Model) -> None:
    edit(trained)
    repo.make(trained, "train").succeeded()
    first = git(repo, "rev-parse", "HEAD")
    assert git_tags(trained) == {"commit": first, "dirty": "true"}
    assert record(trained)["commit"] == f"{first}-dirty"
    second = commit(repo)
    made = repo.make(trained, "train").succeeded()  # the same sources, committed meanwhile
    assert "Built" not in made.err
    assert git_tags(trained) == {"commit": second, "dirty": "false"}
    assert record(trained)["built"]["commit"] == f"{first}-dirty"


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ("projects/sums/{model}/new.py", "true"),
        ("projects/sums/{model}/hyperparameters.yaml", "true"),
        ("projects/sums/common_utils/new.py", "true"),
        ("utils/new.py", "true"),
        ("projects/sums/{model}/big.log", "false"),  # git ignores it
        ("projects/sums/training_metrics.json", "false"),
        ("README.md", "false"),
    ],
)
def test_what_makes_a_run_dirty(repo: Monorepo, model: Model, changed: str, dirty: str) -> None:
    commit(repo)
    path = repo.path / changed.format(model=model.name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    try:
        repo.make(model, "train").succeeded()
        assert git_tags(model)["dirty"] == dirty
    finally:
        path.unlink(missing_ok=True)


def test_a_clone_that_git_refuses_to_read(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "train", GIT_TEST_ASSUME_DIFFERENT_OWNER="1").succeeded()
    assert "Traceback" not in made.err
    assert git_tags(model) == UNKNOWN
    assert record(model)["commit"] == record(model)["built"]["commit"] == "unknown"


# -- images with binaries in them -------------------------------------------------------------------------------------


def test_a_baked_image_stays_baked_when_it_is_built_again(repo: Monorepo, trained: Model) -> None:
    repo.make(trained, "build-predict", "BAKE=1").succeeded()
    trained.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
    for _ in range(2):
        made = repo.make(trained, "predict", "DETACH=1", f"PORT={(port := free_port())}").succeeded()
        try:
            assert json.loads(ask(port, f"{trained.name}/predict", SAMPLE)[1])["payload"]["predictions"] == [7, 15]
        finally:
            repo.make(trained, "stop").succeeded()
        assert "has its binaries in it" in made.err
    assert "Built" not in made.err
    edit(trained)
    repo.make(trained, "train").succeeded()  # another binary is no edit: what was baked is served on
    made = repo.make(trained, "-n", "predict").succeeded()
    assert f"models/{trained.name}.pkl is not the one in" in made.err
    trained.binary.unlink()
    trained.replace("predict.py", "1 + factor", "2 + factor")
    repo.make(trained, "predict", f"PORT={free_port()}").failed("no such binary to bake", "make train")
    with repo.serving(trained, BUILD="0") as port:
        assert json.loads(ask(port, f"{trained.name}/predict", SAMPLE)[1])["payload"]["predictions"] == [7, 15]


def test_an_image_that_is_replaced_while_it_trains(repo: Monorepo, trained: Model) -> None:
    """The record is of the image that ran, whatever has its name by then."""
    trained.replace("train.py", "    rows =", "    import time; time.sleep(1)\n    rows =")
    process = repo.spawn(trained, "train")
    assert process.stdout
    for line in process.stdout:
        if "---> Training" in line:
            break
    edit(trained)
    repo.make(trained, "build-train").succeeded()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert factor(trained) == 2
    image = json.loads((repo.path / f".trainyard/process/images/{trained.container}-train/image.json").read_text())
    assert record(trained)["built"]["identity"] != image["identity"]
