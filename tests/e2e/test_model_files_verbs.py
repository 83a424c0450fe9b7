"""A model of a folder and a file, without a pickle, through the verbs of make."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Client, Model, Monorepo

from trainyard.host.experiments.registry.served_folder import place_version

pytestmark = pytest.mark.slow

TRAIN = """
import os


def train(msg):
    name = msg["payload"]["model_name"]
    os.makedirs(f"models/{name}_model/deep", exist_ok=True)
    with open(f"models/{name}_model/deep/a=1,b.txt", "w") as file:
        file.write(str(msg["payload"].get("factor", 2)))
    with open(f"models/{name}_labels.json", "w") as file:
        file.write('["low", "high"]')
    return {"metrics": {"loss": 0.5}}
"""
PREDICT = """
def predict_native(msg):
    with open("models/native_model/deep/a=1,b.txt") as file:
        factor = float(file.read())
    return {"predictions": [factor * sum(row) for row in msg.payload["instances"]]}
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    yield Monorepo(tmp_path_factory.mktemp("native") / "repo")


@pytest.fixture(scope="module")
def model(repo: Monorepo) -> Model:
    model = repo.add_model("native")
    (model.path / "train.py").write_text(TRAIN)
    (model.path / "predict.py").write_text(PREDICT)
    done = repo.make(model, "build-train", "train").succeeded()
    assert "---> Wrote models/native_model (" in done.out
    return model


def predicted(port: int) -> object:
    with Client(port, "native/predict") as client:
        return client.post([[1, 2]])[0]["predictions"]


def test_it_is_a_run_and_is_listed(repo: Monorepo, model: Model) -> None:
    run = next((model.path.parent / "runs").iterdir())
    assert (run / "model/native_model/deep/a=1,b.txt").read_text() == "2"
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    listed = repo.make(None, "list").succeeded().out
    assert next(line for line in listed.splitlines() if " native " in line).split()[3] == "yes"


def test_it_is_served_and_swapped(repo: Monorepo, model: Model) -> None:
    with repo.serving(model) as port:
        assert predicted(port) == [6.0]


def test_it_is_baked_whole_and_a_damaged_copy_is_not_served(repo: Monorepo, model: Model) -> None:
    repo.make(model, "build-predict", "BAKE=1").succeeded()
    with repo.serving(model) as port:
        assert predicted(port) == [6.0]
    (model.path.parent / "models/native_labels.json").write_text("[]")
    repo.make(model, "build-predict", "BAKE=1").failed("native_labels.json: corrupt, sha256")
    (model.path.parent / "models/native_labels.json").write_text('["low", "high"]')


@pytest.mark.parametrize("odd", ["fifo", "nested"])
def test_an_odd_record_is_one_line(repo: Monorepo, model: Model, odd: str) -> None:
    record = model.record.read_bytes()
    model.record.unlink()
    try:
        if odd == "fifo":
            os.mkfifo(model.record)
        else:
            model.record.write_text("[" * 200_000)
        repo.make(model, "build-predict", "BAKE=1").failed("native")
        assert " native " in repo.make(None, "list").succeeded().out
        assert "native" in repo.make(model, "run-show").succeeded().out
    finally:
        model.record.unlink()
        model.record.write_bytes(record)


def test_a_version_takes_the_place_of_another_whole(tmp_path: Path, model: Model) -> None:
    files = next((model.path.parent / "runs").iterdir()) / "model"
    folder = tmp_path / "served"
    place_version(files, "native", folder)
    (folder / "native_old.bin").write_text("of another version")
    (folder / "native_labels.json").write_text("of another version")
    place_version(files, "native", folder)
    placed = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert placed == {"native.json", "native_labels.json", "native_model/deep/a=1,b.txt"}
    record = json.loads((folder / "native.json").read_text())
    assert record["replaces_files"] == record["files"]
    before = subprocess.run(["sha256sum", *sorted(record["files"])], cwd=folder, capture_output=True, check=True)
    assert all(sha256 in before.stdout.decode() for sha256 in record["files"].values())
    inodes = {path: path.stat().st_ino for path in folder.rglob("*")}
    place_version(files, "native", folder)
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == inodes, "a server may be loading them"
