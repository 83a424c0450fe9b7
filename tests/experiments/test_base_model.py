"""A training that begins from an earlier model: `make train BASE_MODEL=`, by either engine, with a real registry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monorepo import ROOT, Model, Monorepo
from needs import need

from experiments.reproductions import in_git, reproduce, rows, trained
from experiments.tracking import Tracking, tracking

pytestmark = pytest.mark.slow  # a tracker, and trainings that are uploaded

TRAIN = """
import os
import pathlib
import pickle


def train(msg):
    name, before = msg["payload"]["model_name"], os.environ.get("BASE_MODEL", "")
    factor = pickle.loads(pathlib.Path(before).read_bytes())["factor"] if before else 0
    pathlib.Path(f"models/{name}.pkl").write_bytes(pickle.dumps({"factor": factor + 1, "rows": 2}))
    print("began from", before or "nothing", "with", factor)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with tracking(tmp_path_factory.mktemp("repo") / "repo") as server:
        yield server


@pytest.fixture(scope="module")
def model(server: Tracking) -> Model:
    model = server.repo.add_model("counts")
    (model.path / "train.py").write_text(TRAIN)
    return model


def train(server: Tracking, model: Model, *more: str, **env: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The run's facts, its record, and what make printed."""
    made = server.repo.make(model, "train", f"TRACKING_URI={server.url}", *more, **env).succeeded()
    folder = max((model.path.parent / "runs").iterdir())
    return (*(json.loads((folder / name).read_text()) for name in ("run.json", "record.json")), made.out + made.err)


def test_a_run_a_version_and_mlflows_run_are_base_models(server: Tracking, model: Model) -> None:
    first, record, printed = train(server, model)
    assert "began from nothing with 0" in printed
    assert "base_model" not in record
    assert "base_model" not in first["tags"]
    second, record, printed = train(server, model, f"BASE_MODEL={first['id']}")
    assert "began from base_model/counts.pkl with 1" in printed
    assert second["tags"]["base_model"] == first["id"] == record["base_model"]["base_model"]
    assert second["tags"]["base_model_sha256"] == first["tags"]["sha256"]
    (known,) = (run for run in server.runs("sums") if run.data.tags["trainyard.run_id"] == second["id"])
    assert known.data.tags["base_model"] == first["id"]
    for asked, name in (
        ("sums.counts/2", "sums.counts/2"), ("models:/sums.counts/2", "sums.counts/2"),
        (known.info.run_id, second["id"]), (second["id"][-6:], second["id"]),
    ):  # fmt: skip
        run, _, printed = train(server, model, f"BASE_MODEL={asked}")
        assert "with 2" in printed, asked
        assert run["tags"]["base_model"] == name
    # The registry has what this machine has no longer.
    shutil.move(model.path.parent / "runs" / second["id"], server.repo.path / "away")
    run, _, printed = train(server, model, f"BASE_MODEL={known.info.run_id}")
    assert "with 2" in printed
    assert run["tags"]["base_model"] == "sums.counts/2"


def test_what_is_not_there_or_not_whole_is_one_line(server: Tracking, model: Model) -> None:
    run, _, _ = train(server, model)
    for asked, expected in (
        ("nonsense", "BASE_MODEL=nonsense: no such run"),
        ("sums.counts/999", "sums.counts has no such version"),
        ("sums.nothing/1", "sums.nothing: no such model"),
        ("0" * 32, "no version in the registry, and is no run of this machine"),
    ):
        made = server.repo.make(model, "train", f"TRACKING_URI={server.url}", f"BASE_MODEL={asked}")
        made.failed(expected)
    kept = model.path.parent / "runs" / run["id"] / "model" / "counts.pkl"
    kept.unlink()
    kept.write_bytes(b"cos\nsystem\n(S'touch /tmp/x'\ntR.")
    made = server.repo.make(model, "train", f"TRACKING_URI={server.url}", f"BASE_MODEL={run['id']}")
    made.failed("a file of its model is not the recorded one")


def test_a_dry_run_asks_nobody(server: Tracking, model: Model) -> None:
    made = server.repo.make(model, "-n", "train", "BASE_MODEL=sums.nothing/1").succeeded()
    assert "hand the model of sums.nothing/1 to the training" in made.out


def test_a_container_can_only_read_it(tmp_path: Path, server: Tracking) -> None:
    need("docker")
    repo = Monorepo(tmp_path / "repo", "docker")
    model = repo.add_model("counts")
    (model.path / "train.py").write_text(
        TRAIN
        + "    if before:\n        print('writable', os.access(before, os.W_OK), os.access('base_model', os.W_OK))\n"
    )
    try:
        first = repo.make(model, "train").succeeded()
        assert "began from nothing" in first.out
        second = repo.make(model, "train", "BASE_MODEL=latest").succeeded()
        assert "began from base_model/counts.pkl with 1" in second.out
        assert "writable False False" in second.out
    finally:
        repo.make(None, "clean")


def test_what_began_from_a_model_is_reproduced_from_it(tmp_path: Path) -> None:
    repo = in_git(Monorepo(tmp_path / "repo"))
    model = repo.add_model("counts")
    (model.path / "train.py").write_text(TRAIN)
    first = trained(repo, model, "PAYLOAD={}")
    second = trained(repo, model, f"BASE_MODEL={first.name}")
    assert rows(reproduce(repo, model, second).succeeded())["binary sha256"][-1] == "equal"
    shutil.rmtree(first)
    reproduce(repo, model, second).failed(f"BASE_MODEL={first.name}: no such run")


@pytest.mark.parametrize("engine", ["process", pytest.param("docker", marks=pytest.mark.nightly)])
def test_a_shipped_boosted_model_goes_on(tmp_path: Path, engine: str) -> None:
    """The finance model by XGBoost: twice the rounds, and a compiled form that is served."""
    if engine == "docker":
        need("docker")
    repo = Monorepo(tmp_path / "repo", engine)
    project = repo.path / "projects" / "finance_income_prediction"
    others = ("catBoost", "randomForest", "logisticRegression", "__pycache__", "runs", "models")
    shutil.copytree(ROOT / "projects" / project.name, project, ignore=shutil.ignore_patterns(*others))
    folder = project / "xgBoost"
    try:
        first = repo.make(folder, "train").succeeded()
        assert "going on from" not in first.out
        second = repo.make(folder, "train", "BASE_MODEL=latest").succeeded()
        assert "going on from the base model" in second.out
        losses = []
        for run in sorted((project / "runs").iterdir()):
            lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            losses.append([line["value"] for line in lines if line["name"] == "train_log_loss"])
        assert losses[1][0] < losses[0][-1]
        record = json.loads(next((project / "models").glob("*.json")).read_text())
        assert record["base_model"]["base_model"] == sorted((project / "runs").iterdir())[0].name
        assert record["compiled"].get("sha256"), record["compiled"]
    finally:
        repo.make(None, "clean")
