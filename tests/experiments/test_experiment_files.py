"""make experiment: the files of other repositories as they stand, and the warnings about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monorepo import Model, Monorepo

from trainyard.errors import TrainyardError
from trainyard.host.experiments.experiment_file import Experiment, flat, read_experiment, spelt_as
from trainyard.host.experiments.yaml_files import read_yaml
from trainyard.host.verbs.experiment import data_folder

# As the repository that it comes from documents it.
EXP_CONFIG: dict[str, Any] = {
    "ENV_CONFIG_FILE": "dev_config.json",
    "DESCRIPTION": "Test training workflow",
    "EXP_NAME": "pothole",
    "COMPUTE_NAME": "test",
    "DOCKER_IMAGE": "csaddevamlacr.azurecr.io/tfod_tf2:latest",
    "DATA_MOUNT": "test_data",
    "IMAGE_TYPE": "pothole",
    "TRAIN_CSV": "latest",
    "TEST_CSV": "latest",
    "EVAL_CONF": 0.5,
    "RUN_PARAMS": {"STEPS": 2},
    "MODEL_PARAMS": {
        "BASE_MODEL": "faster_rcnn_resnet101_coco_2018_01_28",
        "FIRST_STAGE": {"STRIDE": 16, "NMS_IOU_THRESHOLD": 0.5, "MAX_PROPOSALS": 200},
    },
    "HYPERTUNE": False,
    "NODES": 3,
}


def last_run(model: Model) -> dict[str, Any]:
    folders = sorted((model.path.parent / "runs").iterdir())
    found: dict[str, Any] = json.loads((folders[-1] / "run.json").read_text())
    return found


def put_data(model: Model, *names: str, folder: str = "test_data/pothole") -> None:
    target = model.path.parent / "data" / folder
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        (target / name).write_text("a,b\n1,2\n")


def write(model: Model, content: Mapping[str, Any], name: str = "exp_config.json") -> None:
    (model.path / name).write_text(json.dumps(content, indent="\t"))


@pytest.mark.slow
def test_the_file_as_it_stands(repo: Monorepo, model: Model) -> None:
    write(model, EXP_CONFIG)
    (model.path / "config.yaml").write_text("params: {steps: 3, x: 1.0}\n")
    put_data(model, "train_2024-04-30.csv", "train_2024-05-01.csv", "test_2024-05-01.csv", "train.csv")
    made = repo.make(model, "experiment", "CONFIG=exp_config.json").succeeded()
    run = last_run(model)
    assert run["tags"] | {
        "train_set": "train_2024-05-01.csv", "test_set": "test_2024-05-01.csv", "experiment": "pothole",
        "base_model": "faster_rcnn_resnet101_coco_2018_01_28", "steps": "2",
        "description": "Test training workflow", "dataset": "data/test_data/pothole/train_2024-05-01.csv",
    } == run["tags"]  # fmt: skip
    assert run["params"] | {"steps": 2, "x": 1.0, "FIRST_STAGE.STRIDE": 16} == run["params"]
    record = json.loads((model.path.parent / "runs" / run["id"] / "record.json").read_text())
    assert record["payload"]["$test_ref"] == "data/test_data/pothole/test_2024-05-01.csv"
    assert record["payload"]["eval_conf"] == 0.5
    warnings = [line for line in made.err.splitlines() if line.startswith("warning: ") and "exp_config.json:" in line]
    for line, key in ((2, "ENV_CONFIG_FILE"), (5, "COMPUTE_NAME"), (6, "DOCKER_IMAGE"), (24, "nodes")):
        assert any(f"exp_config.json:{line}: {key} means nothing" in warning for warning in warnings), (key, warnings)
    assert len(warnings) == 4


@pytest.mark.slow
def test_yaml_in_lower_case_with_the_model_named_from_the_top(repo: Monorepo, model: Model) -> None:
    name = f"{model.project}/{model.path.name}"
    (repo.path / "first.yaml").write_text(
        f"model: {name}\ndescription: from the top\nmodel_params:\n  x: 1.5\ntrain_cvs: numbers\n"
    )
    made = repo.make(repo.path, "experiment", "CONFIG=first.yaml", 'PAYLOAD={"params": {"steps": 1}}').succeeded()
    assert "first.yaml:5: train_cvs means nothing here: did you mean TRAIN_CSV?" in made.err
    run = last_run(model)
    assert run["params"] == {"x": 1.5, "steps": 1, "pause": 0.0}
    assert run["tags"]["train_set"] == "numbers.csv"
    repo.make(repo.path, "experiment", "CONFIG=first.yaml", f"MODEL={name}", "DESCRIPTION=over it").succeeded()
    assert last_run(model)["tags"]["description"] == "over it"


def test_the_model_by_its_image_and_a_dry_run(repo: Monorepo, model: Model) -> None:
    (repo.path / "image.yaml").write_text(f"docker_image: registry.example/x/{model.container}-train:latest\n")
    repo.make(repo.path, "-n", "experiment", "CONFIG=image.yaml").succeeded()
    assert not (model.path.parent / "runs").exists()
    (repo.path / "image.yaml").write_text("docker_image: unknown:latest\n")
    repo.make(repo.path, "experiment", "CONFIG=image.yaml").failed("image.yaml names no model", "MODEL=")


@pytest.mark.slow
def test_an_experiment_with_the_image_that_is_there(repo: Monorepo, model: Model) -> None:
    write(model, {"MODEL_PARAMS": {"x": 1.0}})
    repo.make(model, "experiment").succeeded()
    model.replace("train.py", "print(", "print('edited',")
    assert "edited" not in repo.make(model, "experiment", "BUILD=0").succeeded().out
    assert json.loads(model.record.read_text())["built"]["sources"] == "changed"
    assert "edited" in repo.make(model, "experiment").succeeded().out
    assert json.loads(model.record.read_text())["built"]["sources"] == "same"


@pytest.mark.slow
def test_a_search(repo: Monorepo, model: Model) -> None:
    tuned = "default_value: 0.0\n      tuning: {param_type: float, min: 0, max: 4}"
    (model.path / "config.yaml").write_text(
        f"tuning:\n  metric: loss\n  seed: 1\n  hyperparams:\n    x:\n      {tuned}\n"
    )
    write(model, {"HYPERTUNE": True, "NODES": 3, "EXP_NAME": "search", "RUN_PARAMS": {"STEPS": 1}})
    repo.make(model, "experiment").succeeded()
    runs = [json.loads(path.read_text()) for path in (model.path.parent / "runs").glob("*/run.json")]
    assert sorted(run["kind"] for run in runs) == ["training", "trial", "trial", "trial", "tuning"]
    assert {run["tags"].get("experiment") for run in runs if run["kind"] != "trial"} == {"search"}


def test_a_search_names_what_its_file_fixes(repo: Monorepo, model: Model) -> None:
    section = "default_value: 0.0\n      tuning: {param_type: float, min: 0, max: 4}"
    config = f"tuning:\n  metric: loss\n  max_trials: 2\n  hyperparams:\n    x:\n      {section}\n"
    (model.path / "config.yaml").write_text(config)
    write(model, {"HYPERTUNE": True, "MODEL_PARAMS": {"X": 1.0}})
    expected = ("exp_config.json:4: x is fixed here", "nothing else is left to tune", "HYPERTUNE: false")
    repo.make(model, "experiment").failed(*expected)
    (model.path / "config.yaml").write_text(f"{config}    pause.a:\n      {section}\n")
    write(model, {"HYPERTUNE": True, "MODEL_PARAMS": {"PAUSE": {"A": 0.5}}})
    made = repo.make(model, "-n", "experiment").succeeded()
    assert "exp_config.json:5: pause.a is fixed here, so it is not tuned" in made.err
    assert "x  " in made.out


COMPUTES = "lab: {kind: local}\nbox: {kind: local, engine: podman}\n"
TUNED = """
tuning:
  metric: loss
  max_trials: 7
  hyperparams:
    x: {default_value: 0.0, tuning: {param_type: float, min: 0, max: 4}}
"""


def test_the_compute_of_a_file(repo: Monorepo, model: Model) -> None:
    (repo.path / "compute.yaml").write_text(COMPUTES)
    write(model, {"EXP_NAME": "a", "COMPUTE_NAME": "lab"})
    assert "docker rm --force ty-" in repo.make(model, "-n", "experiment").succeeded().out
    assert "podman rm --force ty-" in repo.make(model, "-n", "experiment", "COMPUTE=box").succeeded().out
    assert "--force ty-" not in repo.make(model, "-n", "experiment", "COMPUTE=").succeeded().out
    write(model, {"EXP_NAME": "a", "COMPUTE_NAME": "cluster"})
    fix = ("exp_config.json:3: there is no compute cluster", "compute.yaml has lab, box", "COMPUTE= trains on this")
    repo.make(model, "experiment").failed(*fix)
    assert not (model.path.parent / "runs").exists()
    assert "podman rm --force ty-" in repo.make(model, "-n", "experiment", "COMPUTE=box").succeeded().out
    (repo.path / "compute.yaml").unlink()
    here = repo.make(model, "-n", "experiment").succeeded()
    assert "exp_config.json:3: COMPUTE_NAME means nothing here: there is no compute.yaml" in here.err


@pytest.mark.parametrize(
    ("content", "arguments", "step", "remark"),
    [
        ({"NODES": 3}, (), "3 trials", "exp_config.json:3: NODES is taken for the number of trials"),
        ({"NODES": 3, "TRIALS": 5}, (), "5 trials", "exp_config.json:3: NODES means nothing on this machine"),
        ({"NODES": 3}, ("TRIALS=4",), "4 trials", "exp_config.json:3: NODES means nothing on this machine"),
        ({}, (), "7 trials", ""),
        ({"NODES": 3, "COMPUTE_NAME": "lab"}, (), "7 trials by 3 workers", ""),
        ({"NODES": 3, "COMPUTE_NAME": "lab", "TRIALS": 5}, (), "5 trials by 3 workers", ""),
        ({"NODES": 3, "COMPUTE_NAME": "lab"}, ("NODES=2", "TRIALS=6"), "6 trials by 2 workers", ""),
    ],
)
def test_nodes_and_trials_of_a_search(
    repo: Monorepo, model: Model, content: dict[str, Any], arguments: tuple[str, ...], step: str, remark: str
) -> None:
    (repo.path / "compute.yaml").write_text(COMPUTES)
    (model.path / "config.yaml").write_text(TUNED)
    write(model, {"HYPERTUNE": True, **content})
    made = repo.make(model, "-n", "experiment", *arguments).succeeded()
    assert step in made.err
    assert remark in made.err
    assert bool(remark) == ("NODES" in made.err)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"TRAIN_CSV": "latest"}, ("exp_config.json:2: TRAIN_CSV: latest finds no versioned file", "train_v2.csv")),
        ({"A": 1, "TRAIN_CSV": "no.csv"}, ("exp_config.json:3: TRAIN_CSV: there is no no.csv", "it has numbers.csv")),
        ({"NODES": "three"}, ("exp_config.json:2: nodes: input should be a valid integer", "(it is 'three')")),
        ({"MODEL": "other/one"}, ("exp_config.json:2: MODEL is other/one, and this is ",)),
    ],
)
def test_a_mistake_is_one_line(repo: Monorepo, model: Model, content: dict[str, Any], parts: tuple[str, ...]) -> None:
    write(model, content)
    repo.make(model, "experiment").failed(*parts)
    assert not (model.path.parent / "runs").exists()


@pytest.mark.slow
def test_no_file(repo: Monorepo, model: Model) -> None:
    repo.make(model, "experiment").failed("no experiment.yaml and no exp_config.json", "CONFIG=")
    repo.make(model, "experiment", "CONFIG=other.json").failed("CONFIG=other.json: no such file")


# -- underneath -----------------------------------------------------------------------------------------------------


def test_where_the_data_is(tmp_path: Path) -> None:
    (tmp_path / "mount" / "kind").mkdir(parents=True)
    assert data_folder(tmp_path, "mount", "kind") == (tmp_path / "mount/kind", True)
    assert data_folder(tmp_path, "mount", "other") == (tmp_path / "mount", True)
    assert data_folder(tmp_path, "elsewhere", "other") == (tmp_path, False)
    assert data_folder(tmp_path, "", "") == (tmp_path, True)
    assert data_folder(tmp_path / "mount", "..", "") == (tmp_path / "mount", False)


def test_nested_parameters_are_single_ones() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": [1]}, "e": {}}) == {"a.b.c": 1, "a.d": [1], "e": {}}
    assert spelt_as({"learning_rate": 1, "C": 1}, {"LEARNING_RATE": 2, "C": 3, "New": 4}) == {
        "learning_rate": 2, "C": 3, "New": 4,
    }  # fmt: skip


def test_a_parameter_in_both_groups(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("run_params: {x: 1}\nmodel_params:\n  x: 2\n")
    with pytest.raises(TrainyardError, match=r"e\.yaml:2: x is in run_params, too"):
        read_experiment(path)
    path.write_text("nodes: 1\nNODES: 2\n")
    with pytest.raises(TrainyardError, match=r"e\.yaml:2: NODES is there in upper and in lower case"):
        read_experiment(path)
    path.write_text("")
    with pytest.raises(TrainyardError, match=r"e\.yaml:1: not a mapping"):
        read_experiment(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n\t"a": 1,\n}', r"e\.json:3: not JSON"),
        ('{\n\t"a": {"b": 1,\n\t"b": 2}}', r"e\.json:3: b is there twice, first in line 2"),
        ('{"a": NaN}', r"e\.json: not JSON \(there is no NaN in JSON\)"),
    ],
)
def test_json_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(TrainyardError, match=message):
        read_yaml(tmp_path / "e.json")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN, st.sampled_from(["\t", None, 2]), st.booleans())
def test_json_is_read_as_json(
    tmp_path_factory: pytest.TempPathFactory, content: Any, indent: Any, ascii_only: bool
) -> None:
    path = tmp_path_factory.mktemp("j") / "e.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=ascii_only), encoding="utf-8", newline="")
    assert read_yaml(path).content == content


def test_every_key_is_declared_for_the_documented_file() -> None:
    keys = {key.lower() for key in EXP_CONFIG} - {"env_config_file"}
    assert keys <= set(Experiment.model_fields)
