"""A walk through every verb, on small models without containers: that each does what its help line says.

What else a verb promises is tested in the files beside this one, which take longer; CI runs those, too.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from experiments.conftest import TRAIN
from experiments.tracking import WAIT
from monorepo import Made, Model, Monorepo, ask, free_port

from trainyard.host.verbs.verb_table import ALL, MODEL, TOP, VERBS, Where

PROJECT = "finance_income_prediction"  # whose models `make demo` serves
CONFIG = """
params: {steps: 1}
promotion: {metric: loss}
tuning:
  metric: loss
  hyperparams:
    x: {default_value: 1.5, tuning: {param_type: choice, values: [1.5, 1.8]}}
"""
OURS_ALONE = {
    "test", "lint", "format", "bench-serving", "bench-memory", "bench-images", "bench-builds", "bench-tuning",
    "profile-serving",
}  # fmt: skip # of people who work on Trainyard; CI runs them
Walk = Callable[..., Made]
walked: dict[Where, set[str]] = {MODEL: set(), ALL: set(), TOP: set()}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    repo = Monorepo(tmp_path_factory.mktemp("repo"))
    for name in ("first", "other"):
        model = repo.add_model(name, PROJECT)
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text(CONFIG)
    repo.add_all(PROJECT)
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=repo.path, check=True)
    yield repo
    repo.make(None, "track-stop")
    repo.make(None, "stop")


@pytest.fixture(scope="module")
def project(repo: Monorepo) -> Path:
    return repo.path / "projects" / PROJECT


@pytest.fixture
def model(repo: Monorepo, project: Path) -> Model:
    return Model(project / "first", PROJECT, "first", repo.container(f"{PROJECT}-first"))


def walk_in(repo: Monorepo, where: Where, folder: Path) -> Walk:
    """A function that calls one verb of that Makefile, which has to succeed and to print ``part``."""

    def walk(verb: str, *arguments: str, part: str = "") -> Made:
        made = repo.make(folder, verb, *arguments, **WAIT).succeeded()
        assert re.search(part, made.out + made.err), f"{verb}: {part!r} is not in\n{made.out}{made.err}"
        walked[where].add(verb)
        return made

    return walk


def run_ids(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "runs").iterdir())


def test_a_model(repo: Monorepo, model: Model) -> None:
    walk, port = walk_in(repo, MODEL, model.path), f"PORT={free_port()}"
    walk("help", part="build-predict")
    walk("show", part=r"MODEL_NAME +first +projects/.*Makefile:1")
    walk("lock", part="requirements_train.lock")
    walk("build-train", part="Built")
    walk("train", part="trained by process")
    walk("build-predict", part="Built")
    walk("predict", "DETACH=1", port)
    walk("test-endpoint", port, part='"predictions": *\\[')
    walk("logs", part="/predict")
    walk("stop", part="Stopped")
    walk("train-local", part="trained by process")
    walk("predict-local", "DETACH=1", port)
    assert ask(int(port[5:]), "readyz")[0] == 200
    walk("stop")
    walk("shell", "-n", part="bash")
    walk("sbom", part="cdx.json")
    walk("audit")
    walk("clean", part="first")
    assert model.binary.exists()


def test_runs_and_a_promotion(repo: Monorepo, model: Model) -> None:
    walk, top = walk_in(repo, MODEL, model.path), walk_in(repo, TOP, repo.path)
    top("track", "DETACH=1", f"TRACK_PORT={free_port()}", part="Runs are tracked")
    walk("train", part="it is the first version")
    walk("tune", "TRIALS=2", "WORKERS=1", part="2/2")
    (model.path / "experiment.yaml").write_text("model_params: {x: 1.9}\n")
    walk("experiment", "CONFIG=experiment.yaml", part="better by")
    walk("rollback", part="champion again")
    walk("promote", part="better by")
    top("track-sync", part="were there")
    top("track-stop", part="Stopped")
    for of in (walk, top):
        of("runs", part="finished")
        of("run-show", part="loss")
        of("report", part="report.html")
        of("compare", f"ID={' '.join(run_ids(model.path.parent)[:2])}", part="loss")


def test_many_models(repo: Monorepo, project: Path) -> None:
    walk, port = walk_in(repo, ALL, project / "all"), f"PORT={free_port()}"
    walk("help", part="predict-all")
    walk("create-routes")
    walk("train-all", part="trained by process")
    walk("build-image", part="Built")
    walk("build-all", part="up to date|Built")
    walk("predict-all", "DETACH=1", port)
    walk("test-all", port, part="first/predict")
    walk("logs", part="/predict")
    walk("stop", part="Stopped")
    walk("sbom", part="cdx.json")
    walk("audit")
    walk("clean")


def test_the_repository(repo: Monorepo, project: Path) -> None:
    walk, port = walk_in(repo, TOP, repo.path), f"PORT={free_port()}"
    walk("help", part="track-sync")
    walk("demo", port, part=r"other/predict +200")
    walk("list", part=rf"{PROJECT} +first")
    walk("affected", "SINCE=HEAD", part=r"\{")
    walk("builders")
    walk("lock")
    walk("dvc", part="dvc.yaml")
    walk("wheelhouse", "-n", f"WHEELHOUSE={repo.path}/wheels")
    (repo.path / "top.yaml").write_text(f"model: {PROJECT}/other\nmodel_params: {{x: 1.7}}\n")
    walk("experiment", "CONFIG=top.yaml", part="trained by process")
    walk("train-all", "-n")
    walk("create-routes")
    walk("build-all", part="Built|up to date")
    walk("predict-all", "DETACH=1", port)
    walk("test-all", port, part=f"{PROJECT}/first/predict|first/predict")
    walk("stop", part="Stopped")
    walk("audit")
    walk("prune")
    walk("clean")
    assert (project / "models" / "first.pkl").exists()


@pytest.mark.parametrize("where", [MODEL, ALL, TOP])
def test_every_verb_was_walked(where: Where) -> None:
    if not all(walked.values()):
        pytest.skip("by the other tests of this file")
    assert walked[where] == {verb.name for verb in VERBS if verb.where & where} - OURS_ALONE
