"""A walk through every verb, on small models without containers. Those of runs are walked in tests/experiments.

What else a verb promises is tested in the files beside this one, which take longer; CI runs those, too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import ROOT, Monorepo, ask, free_port
from walking import PROJECT, Walk, repository

import trainyard
from trainyard.host.scaffold.templates import URL
from trainyard.host.scaffold.updating import ANSWERS
from trainyard.host.verbs.verb_table import ALL, MODEL, TOP

FOREIGN = ROOT / "tests/importing/sources/prices"
# As much of one as says what it is.
MODEL_OF_XGBOOST = {
    "version": [3, 0, 0],
    "learner": {
        "feature_names": ["a", "b"], "learner_model_param": {"num_class": "0", "num_feature": "2"},
        "objective": {"name": "reg:squarederror"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    repo = repository(tmp_path_factory.mktemp("repo"))
    yield repo
    repo.make(None, "stop")


@pytest.fixture(scope="module")
def project(repo: Monorepo) -> Path:
    return repo.path / "projects" / PROJECT


def test_a_model(repo: Monorepo, project: Path) -> None:
    walk, port = Walk(repo, MODEL, project / "first"), f"PORT={free_port()}"
    walk("help", part="build-predict")
    walk("check")
    walk("show", part=r"MODEL_NAME +first +projects/.*Makefile:1")
    walk("lock", part="requirements_train.lock")
    (project / "first" / ANSWERS).write_text(f"_src_path: {URL}\n_commit: {trainyard.__version__}\n")
    walk("update-model", part="already")
    walk("modernize", part="none is moved")
    walk("build-train", part="Built")
    walk("train", part="trained by process")
    store = repo.path / "datastores.yaml"
    store.write_text(f"lake: {{url: {repo.path / 'lake'}, credentials: none}}\n")
    sample = project / "first" / "sample_training_data" / "data"
    shutil.copytree(project / "data", sample)
    walk("configure", part="Wrote data, results, framework, serialization to training:")
    walk("prepare", "YES=1", part="first-training-code.zip")
    walk("package", part="latest.json names it")
    walk("build-predict", part="Built")
    walk("predict", "DETACH=1", port)
    walk("test-endpoint", port, part='"predictions": *\\[')
    walk("logs", part="/predict")
    walk("stop", part="Stopped")
    walk("train-local", part="trained by process")
    walk("predict-local", "DETACH=1", port)
    assert ask(int(port.removeprefix("PORT=")), "readyz")[0] == 200
    walk("stop", part="Stopped")
    walk("shell", "-n", part="bash")
    walk("sbom", part="cdx.json")
    walk("audit")
    walk("clean", part="first")
    assert (project / "models" / "first.pkl").exists()
    walk.was_whole()


def test_many_models(repo: Monorepo, project: Path) -> None:
    walk, port = Walk(repo, ALL, project / "all"), f"PORT={free_port()}"
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
    walk.was_whole()


def table(repo: Monorepo) -> Path:
    path = repo.path / "table.csv"
    path.write_text("size,rent\n" + "".join(f"{size % 13},{size * 11.5}\n" for size in range(30)))
    return path


def test_the_repository(repo: Monorepo, project: Path) -> None:
    walk, port = Walk(repo, TOP, repo.path), f"PORT={free_port()}"
    walk("help", part="track-sync")
    walk("demo", port, part=r"other/predict +200")
    walk("list", part=rf"{PROJECT} +first")
    walk("check")
    walk("import", "-n", f"FROM={FOREIGN}", part="Would bring projects/prices/model")
    walk("new-project", "-n", "PROJECT=another", part="would write")
    walk("new-model", "-n", f"DATASET={table(repo)}", part="is to be predicted")
    walk("update-models", part="have the files of version")
    (repo.path / "old.json").write_text(json.dumps(MODEL_OF_XGBOOST))
    walk("adopt", "MODEL_FILE=old.json", f"DATASET={project}/data/numbers.csv", part="wrote .*old/predict.py")
    walk("rename", f"MODEL={PROJECT}/old", f"TO={PROJECT}/older", part="Renamed")
    walk("remove", f"MODEL={PROJECT}/older", "FORCE=1", part="Removed")
    (repo.path / "shelf").mkdir()
    walk("datastore-add", "NAME=shelf", "URL=shelf", part="shelf answers")
    walk("data-push", f"FROM=projects/{PROJECT}/data/numbers.csv", "TO=shelf:numbers_v1.csv", part="1 file is new")
    walk("datastores", part="shelf +shelf +yes +1 ")
    walk("data-list", "STORE=shelf", part="numbers_v1.csv")
    walk("data-pull", "FROM=shelf:latest.csv", part="is here: 1 file")
    walk("affected", "SINCE=HEAD", part=r"\{")
    walk("builders")
    walk("lock")
    walk("dvc", part="dvc.yaml")
    walk("wheelhouse", "-n", f"WHEELHOUSE={repo.path}/wheels")
    walk("train-all", "-n")
    walk("create-routes")
    walk("build-all", part="Built|up to date")
    walk("predict-all", "DETACH=1", port)
    walk("test-all", port, part="first/predict")
    walk("stop", part="Stopped")
    walk("logs", part="trained by process")
    walk("audit")
    walk("prune")
    walk("clean")
    assert (project / "models" / "first.pkl").exists()
    walk.was_whole()
