"""make train, tune, experiment, check, dvc, rename of models whose data is in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiments.conftest import TRAIN as PARABOLA
from experiments.searches import configure, runs, trials
from experiments.test_experiment_files import EXP_CONFIG
from experiments.tracking import WAIT, Tracking
from monorepo import Made, Model, Monorepo

from data.fetches import Lake

TWO = "a,b\n1,2\n3,4\n"
THREE = TWO + "5,6\n"
LOOK = """
import json, os, pathlib


def train(msg):
    payload = msg["payload"]
    data = pathlib.Path(os.environ["DATA_DIR"])
    found = sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())
    refused = []
    for path in (data / "new", pathlib.Path(payload["$ref"])):
        try:
            path.open("a").close()
        except OSError:
            refused.append(path.name)
    pathlib.Path(f"models/{payload['model_name']}.pkl").write_bytes(b"x")
    pathlib.Path("models/seen.json").write_text(json.dumps(
        {"refused": refused, "found": found, "payload": payload, "here": str(data)}))
"""

EVALUATE = """

def evaluate(msg):
    payload = msg["payload"]
    assert len(pathlib.Path(payload["$ref"]).read_text().splitlines()) == 4
    x = pickle.loads(pathlib.Path(f"models/{payload['model_name']}.pkl").read_bytes())["factor"]
    return {"loss": (x - 2) ** 2}
"""


@pytest.fixture
def repo(tmp_path: Path, lake: Lake) -> Monorepo:
    repo = Monorepo(tmp_path / "repo")
    lake.declare(repo)
    lake.put("v1/train.csv", TWO)
    lake.put("v2/train.csv", THREE)
    lake.put("v2/other.txt", "x")
    return repo


@pytest.fixture
def model(repo: Monorepo) -> Model:
    return repo.add_model("m0")


def last(model: Model) -> dict[str, Any]:
    return runs(model)[-1]


def record(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model.path.parent / "models" / "m0.json").read_text())
    return found


@pytest.mark.slow
def test_a_dataset_on_the_command_line_in_the_makefile_and_in_payload(repo: Monorepo, model: Model, lake: Lake) -> None:
    made = repo.make(model, "train", "DATASET_NAME=lake:v1/train.csv", **lake.environ).succeeded()
    assert '{"rows": 2}' in made.out
    version = lake.etag("v1/train.csv").strip('"')
    wanted = {
        "dataset": "lake:v1/train.csv", "dataset_url": f"{lake.url}/v1/train.csv", "dataset_version": version,
        "dataset_files": "1",
    }  # fmt: skip
    assert last(model)["tags"] | wanted == last(model)["tags"]
    assert record(model)["data"] == wanted
    assert record(model)["dataset"] == "data/v1/train.csv"
    assert record(model)["dataset_sha256"]
    assert record(model)["dataset_rows"] == 2
    model.replace("Makefile", "data/numbers.csv", "lake:v2/train.csv")
    assert '{"rows": 3}' in repo.make(model, "train", **lake.environ).succeeded().out
    made = repo.make(model, "train", 'PAYLOAD={"$ref": "lake:v1/train.csv"}', **lake.environ).succeeded()
    assert '{"rows": 2}' in made.out
    assert len(lake.proxy.fetched()) == 2, "each was fetched once"
    model.replace("Makefile", "lake:v2/train.csv", "data/numbers.csv")
    repo.make(model, "train").succeeded()
    assert "dataset_url" not in last(model)["tags"]


def test_the_newest_version(repo: Monorepo, model: Model, lake: Lake) -> None:
    for name, rows in (("train_v2.csv", TWO), ("train_v10.csv", THREE), ("train_v10.txt", "no"), ("test_v9.csv", TWO)):
        lake.put(f"pothole/{name}", rows)
    made = repo.make(model, "train", "DATASET_NAME=lake:pothole/latest.csv", **lake.environ).succeeded()
    assert '{"rows": 3}' in made.out
    assert last(model)["tags"] | {
        "dataset": "lake:pothole/train_v10.csv", "dataset_asked": "lake:pothole/latest.csv"
    } == last(model)["tags"]  # fmt: skip
    made = repo.make(model, "train", "DATASET_NAME=lake:pothole/train_v?.csv", **lake.environ).succeeded()
    assert '{"rows": 2}' in made.out
    repo.make(model, "train", "DATASET_NAME=lake:pothole/latest", **lake.environ).failed("cannot compare")
    repo.make(model, "train", "DATASET_NAME=lake:pothole/x*.csv", **lake.environ).failed("finds no versioned file")


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("lake:v9/train.csv", "lake:v9/train.csv: there is no such file or folder: make data-list STORE=lake"),
        ("pond:v1", "no data store pond: it has lake; make datastore-add NAME=pond"),
        ("lake:../x", "is not below the project"),
        ("lake:v9/latest.csv", "lake:v9/latest.csv"),
    ],
)
def test_a_dataset_that_is_not_there(repo: Monorepo, model: Model, lake: Lake, dataset: str, said: str) -> None:
    repo.make(model, "train", f"DATASET_NAME={dataset}", **lake.environ).failed(said)
    assert not (model.path.parent / "runs").exists()


def test_a_store_that_is_away(repo: Monorepo, model: Model, lake: Lake) -> None:
    lake.proxy.shutdown()
    lake.proxy.server_close()
    given = ("DATASET_NAME=lake:v1/train.csv", "DATA_RETRIES=0")
    repo.make(model, "train", *given, **lake.environ).failed("lake:v1/train.csv: the connection was refused")
    assert f"fetch lake:v1/train.csv into {repo.path}" in repo.make(model, "-n", "train", *given).succeeded().out


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["process", pytest.param("docker", marks=pytest.mark.engine("docker"))])
def test_what_a_training_sees(tmp_path: Path, lake: Lake, engine: str) -> None:
    repo = Monorepo(tmp_path / "repo", engine)
    lake.declare(repo)
    lake.put("v2/train.csv", THREE)
    lake.put("v2/deep/other.txt", "x")
    model = repo.add_model("m0")
    (model.path / "train.py").write_text(LOOK)
    train = ("train", "DATASET_NAME=lake:v2")
    repo.make(model, *train, **lake.environ)
    made = repo.make(model, *train, **lake.environ)
    seen = json.loads((model.path.parent / "models/seen.json").read_text())
    assert seen["found"] == ["v2/deep/other.txt", "v2/train.csv"]
    assert seen["payload"]["$ref"] == "data/v2"
    if engine == "docker":
        assert seen["here"] == "/model/data"
        assert seen["refused"] == ["new", "v2"]
    else:  # a process has the rights of whoever started it: the next training does not see what it made
        assert seen["refused"] == ["v2"]
        assert "/data/new is not of the dataset: it is removed" in made.err
    assert len(lake.proxy.fetched()) == 2


@pytest.mark.slow
def test_the_experiment_file_as_it_stands(repo: Monorepo, model: Model, lake: Lake) -> None:
    """With DATA_MOUNT a data store, and IMAGE_TYPE a folder in it."""
    (model.path / "train.py").write_text(PARABOLA)
    (repo.path / "datastores.yaml").write_text(
        (repo.path / "datastores.yaml").read_text().replace("lake:", "test_data:")
    )
    (model.path / "exp_config.json").write_text(json.dumps(EXP_CONFIG, indent="\t"))
    for name in ("train_2024-04-30.csv", "train_2024-05-01.csv", "test_2024-05-01.csv", "train.csv", "images/1.png"):
        lake.put(f"pothole/{name}", TWO)
    made = repo.make(model, "experiment", **lake.environ).succeeded()
    assert "DATA_MOUNT" not in made.err
    assert "IMAGE_TYPE" not in made.err
    assert "has no folder" not in made.err
    tags = last(model)["tags"]
    assert tags | {
        "train_set": "train_2024-05-01.csv", "test_set": "test_2024-05-01.csv", "steps": "2",
        "base_model": "faster_rcnn_resnet101_coco_2018_01_28", "description": "Test training workflow",
        "dataset": "test_data:pothole/train_2024-05-01.csv",
    } == tags  # fmt: skip
    payload = record(model)["payload"]
    assert payload["$ref"] == "data/pothole/train_2024-05-01.csv"
    assert payload["$test_ref"] == "data/pothole/test_2024-05-01.csv"
    (repo.path / "projects/sums/m0/exp_config.json").write_text(json.dumps({**EXP_CONFIG, "IMAGE_TYPE": "cracks"}))
    repo.make(model, "experiment", **lake.environ).failed("test_data:cracks")


@pytest.mark.slow
def test_a_tuning_fetches_once(repo: Monorepo, model: Model, lake: Lake) -> None:
    (model.path / "train.py").write_text(PARABOLA)
    configure(model)
    repo.make(model, "tune", "WORKERS=2", "TRIALS=4", "DATASET_NAME=lake:v2/train.csv", **lake.environ).succeeded()
    assert len(lake.proxy.fetched()) == 1
    assert len(trials(model)) == 4
    for kind in ("tuning", "training"):
        assert runs(model, kind)[0]["tags"]["dataset_url"] == f"{lake.url}/v2/train.csv"


@pytest.mark.slow
def test_two_clones_that_train_at_once_fetch_once(tmp_path: Path, lake: Lake) -> None:
    content = TWO * 1000
    for number in range(20):
        lake.put(f"v1/{number}.csv", f"{number}\n{content}")
    lake.proxy.pause = 0.1
    started = []
    for name in ("one", "two"):
        repo = Monorepo(tmp_path / name)
        lake.declare(repo)
        model = repo.add_model("m0")
        repo.make(model, "build-train").succeeded()
        given = ("DATASET_NAME=lake:v1/1.csv", 'PAYLOAD={"$data": "lake:v1"}', f"DATA_CACHE={tmp_path}/shared")
        started.append((repo, model, given))
    processes = [repo.spawn(model, "train", *given, **lake.environ) for repo, model, given in started]
    for process in processes:
        text = process.communicate(timeout=300)[0]
        assert process.returncode == 0, text
    assert len(lake.proxy.fetched()) == 20


@pytest.mark.slow
def test_mlflow_has_the_url_of_the_dataset_and_contests_are_held_on_it(
    repo: Monorepo, model: Model, lake: Lake
) -> None:
    (model.path / "train.py").write_text(PARABOLA + EVALUATE)
    (model.path / "config.yaml").write_text("promotion: {metric: loss, min_delta: 0.001}\n")
    (repo.path / "projects/sums/data/numbers.csv").unlink()
    tracking = Tracking(repo)
    tracking.start()
    given = {**WAIT, **lake.environ}

    def make(verb: str, *more: str) -> Made:
        return repo.make(model, verb, "DATASET_NAME=lake:v2/train.csv", *more, **given).succeeded()

    try:
        for x in (1.0, 1.5):
            make("train", f'PAYLOAD={{"params": {{"x": {x}}}}}')
        assert last(model)["tags"]["promoted"] == "true"
        assert "better by 0.75" in last(model)["tags"]["reason"]
        assert "Version 1 of sums.m0 is the champion" in make("promote", "VERSION=1", "FORCE=1").err
        assert "better by 0.75" in make("promote", "VERSION=2").err
        run = tracking.runs("sums")[-1]
    finally:
        tracking.stop()
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "lake:v2/train.csv"
    assert (used.dataset.source_type, json.loads(used.dataset.source)) == ("s3", {"uri": f"{lake.url}/v2/train.csv"})
    assert json.loads(used.dataset.profile)["version"] == last(model)["tags"]["dataset_version"]
    assert run.data.tags["dataset_url"] == f"{lake.url}/v2/train.csv"
    assert lake.environ["AWS_SECRET_ACCESS_KEY"] not in str(run.to_dictionary())
    assert len(lake.proxy.fetched()) == 1


def test_check_knows_stores(repo: Monorepo, model: Model) -> None:
    model.replace("Makefile", "data/numbers.csv", "lake:v2/latest.csv")
    made = repo.make(None, "check").succeeded()
    assert "is not there" not in made.out
    assert "lake" not in made.out
    model.replace("Makefile", "lake:v2/latest.csv", "pond:v2")
    made = repo.make(None, "check")
    assert made.status != 0
    assert "m0/Makefile:2: error: DATASET_NAME" in made.out or "m0/Makefile:2: error: pond:v2" in made.out
    assert "datastores.yaml has no data store pond: make datastore-add NAME=pond URL=... adds one" in made.out
    (repo.path / "datastores.yaml").write_text("lake: {url: s3://b/x, region: [1]}\n")
    made = repo.make(None, "check")
    assert made.status != 0
    assert "datastores.yaml:1: error: lake.region: " in made.out
    model.replace("Makefile", "pond:v2", "data/latest.csv")
    (repo.path / "datastores.yaml").unlink()
    assert "is not there" not in repo.make(None, "check").succeeded().out


def test_a_stage_of_dvc_depends_on_what_dvc_can_see(repo: Monorepo, model: Model) -> None:
    model.replace("Makefile", "data/numbers.csv", "lake:v2/train.csv")
    repo.make(None, "dvc").succeeded()
    stage = yaml.safe_load((model.path.parent / "dvc.yaml").read_text())["stages"]["m0"]
    assert stage["deps"][:2] == ["../../datastores.yaml", "m0/Makefile"]
    assert not [one for one in stage["deps"] if "lake" in one]


@pytest.mark.slow
def test_a_model_of_a_store_moves(repo: Monorepo, model: Model) -> None:
    model.replace("Makefile", "data/numbers.csv", "lake:v2/train.csv")
    made = repo.make(None, "rename", "MODEL=sums/m0", "TO=other/m1").succeeded()
    assert "put the data there" not in made.out + made.err
    assert "lake:v2/train.csv" in (repo.path / "projects/other/m1/Makefile").read_text()
    assert "lake:v2/train.csv" in repo.make(repo.path / "projects/other/m1", "show").succeeded().out
