"""The shipped projects: wiring, data, training (twice, in fresh processes), accuracy, predictions."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainyard.contract.environment import read_environment
from trainyard.contract.message import Message
from trainyard.contract.routes import routes_of, train_target
from trainyard.errors import BadRequest
from trainyard.host.experiments.config import read_config

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = sorted(path.name for path in (ROOT / "projects").iterdir() if path.is_dir())
MODELS = sorted(
    str(path.parent.relative_to(ROOT / "projects"))
    for path in (ROOT / "projects").glob("*/*/Makefile")
    if path.parent.name != "all"
)
# Loosely below what the READMEs say, so that a new version of a library may differ a little.
FLOORS = {
    "finance_income_prediction": {"accuracy": 0.80, "roc_auc": 0.83},
    "healthcare_cancer_diagnosis": {"accuracy": 0.93, "roc_auc": 0.95},
    "healthcare_diabetes_progression": {"r2": 0.35},
    "agriculture_wine_cultivar": {"accuracy": 0.90, "roc_auc": 0.95},
}
TRAIN = """
import importlib, json, sys
from trainyard.contract.message import Message
for module, function, dataset, name in json.loads(sys.argv[1]):
    payload = {"$ref": dataset, "model_name": name}
    print(name, "result", json.dumps(getattr(importlib.import_module(module), function)(Message(payload=payload))))
"""


@functools.cache
def makefile(directory: str) -> dict[str, str]:
    text = (ROOT / "projects" / directory / "Makefile").read_text()
    return dict(re.findall(r"^(\w+) *:= (.+)$", text, re.MULTILINE))


def train_all(project: str, workdir: Path, python_path: str, *, order: int = 1, **environment: str) -> str:
    """Train every model of ``project`` in one fresh process, below ``workdir``; returns what it printed."""
    (workdir / "models").mkdir(parents=True)
    (workdir / "data").symlink_to(ROOT / "projects" / project / "data")
    jobs = []
    for directory in (d for d in MODELS if d.startswith(f"{project}/")):
        module, function = train_target(read_environment(ROOT / "projects" / directory / ".s2i/environment"))
        variables = makefile(directory)
        jobs.append((module, function, variables["DATASET_NAME"], variables["MODEL_NAME"]))
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", TRAIN, json.dumps(jobs[::order])],
        cwd=workdir,
        env=os.environ | {"PYTHONPATH": python_path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``trained(project) -> (working directory, output)``; each project is trained once."""
    path = f"{ROOT}:{ROOT / 'projects'}"

    @functools.cache
    def train(project: str) -> tuple[Path, str]:
        workdir = tmp_path_factory.mktemp("trained") / project
        return workdir, train_all(project, workdir, path)

    return train


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, trained: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``(directory, predict function)`` of a trained model, its project's working directory being the current one."""
    directory: str = request.param
    monkeypatch.chdir(trained(directory.split("/")[0])[0])
    monkeypatch.delenv("MODEL_NAME", raising=False)
    monkeypatch.delenv("MODElNAME", raising=False)
    (route,) = routes_of(read_environment(ROOT / "projects" / directory / ".s2i/environment"))
    return directory, getattr(importlib.import_module(route.module), route.function)


def instances_of(directory: str) -> list[list[Any]]:
    body = json.loads((ROOT / "projects" / directory / "test/test_instances.json").read_text())
    return list(body["payload"]["instances"])


@pytest.mark.parametrize("directory", MODELS)
def test_a_model_directory_is_wired_as_the_contract_says(directory: str) -> None:
    folder = ROOT / "projects" / directory
    environment = read_environment(folder / ".s2i/environment")
    (route,) = routes_of(environment)
    name = makefile(directory)["MODEL_NAME"]
    dotted = directory.replace("/", ".")
    assert environment.warnings == ()
    assert (route.path, route.module, route.function) == (f"{name}/predict", f"{dotted}.predict", f"predict_{name}")
    assert train_target(environment) == (f"{dotted}.train", "train")
    assert set(makefile(directory)) == {"MODEL_NAME", "DATASET_NAME", "CONTAINER_NAME"}
    assert (folder / "Makefile").read_text().endswith("\ninclude ../../../mk/model.mk\n")
    assert (folder.parent / makefile(directory)["DATASET_NAME"]).is_file()


def locked_versions(directory: str, role: str) -> set[str]:
    text = (ROOT / "projects" / directory / f"requirements_{role}.lock").read_text()
    return set(re.findall(r"^[a-z][\w.-]*==[^\\]+", text, re.MULTILINE))


@pytest.mark.parametrize("directory", MODELS)
def test_what_predicts_is_a_small_part_of_what_trained(directory: str) -> None:
    train, predict = (locked_versions(directory, role) for role in ("train", "predict"))
    assert predict < train
    heavy = {"scikit-learn", "joblib", "scipy", "pandas", "xgboost-cpu", "catboost"}
    assert not heavy & {version.partition("==")[0] for version in predict}


@pytest.mark.parametrize("directory", MODELS)
def test_the_configuration_has_the_parameters_that_the_train_function_knows(directory: str) -> None:
    config = read_config(ROOT / "projects" / directory)
    defaults = importlib.import_module(f"{directory.replace('/', '.')}.train").DEFAULTS
    assert config.defaults == defaults
    assert {name: type(value) for name, value in config.defaults.items()} == {
        name: type(value) for name, value in defaults.items()
    }
    metrics = {"log_loss", "roc_auc", "accuracy", "f1", "precision", "recall", "rmse", "mae", "r2"}
    assert config.tuned
    assert {config.metric, *config.guards} <= metrics
    for name, tuning in config.tuned.items():
        assert tuning.min is not None
        assert tuning.max is not None
        assert tuning.min <= defaults[name] <= tuning.max, name


@pytest.mark.parametrize("project", PROJECTS)
def test_all_names_every_model_of_its_project(project: str) -> None:
    variables = makefile(f"{project}/all")
    assert sorted(variables["MODEL_DIRS"].split()) == [d.split("/")[1] for d in MODELS if d.startswith(f"{project}/")]


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_the_committed_data_is_what_its_script_writes(project: str, tmp_path: Path) -> None:
    data = ROOT / "projects" / project / "data"
    (committed,) = data.glob("*.csv")
    subprocess.run([sys.executable, data / "make_data.py", tmp_path / "made.csv"], check=True, capture_output=True)
    assert (tmp_path / "made.csv").read_bytes() == committed.read_bytes()


def test_generated_data_says_so() -> None:
    data = ROOT / "projects/finance_income_prediction/data"
    assert "invented people" in (data / "README.md").read_text()
    assert "invented people" in (data / "make_data.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_training_is_sensible_and_says_so(project: str, trained: Any) -> None:
    workdir, output = trained(project)
    for directory in (d for d in MODELS if d.startswith(f"{project}/")):
        name = makefile(directory)["MODEL_NAME"]
        record = json.loads((workdir / f"models/{name}.json").read_text())
        for metric, floor in FLOORS[project].items():
            assert record["metrics"][metric] > floor, (name, metric)
            assert f"\n{metric} {record['metrics'][metric]:.4f}\n" in output
        assert record["dataset"] == makefile(directory)["DATASET_NAME"]
        assert record["params"]
        assert len(record["columns"]) == len(record["sample"]["instances"][0])


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_training_again_gives_the_same_bytes(project: str, trained: Any, tmp_path: Path, python_path: str) -> None:
    # In another order, with other hashes of text and another number of threads, in a fresh process, and as a run.
    again = tmp_path / "again"
    (again / "run").mkdir(parents=True)
    train_all(
        project, again, python_path, order=-1, PYTHONHASHSEED="12345", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"
    )
    first = {path.name: path.read_bytes() for path in (trained(project)[0] / "models").iterdir()}
    second = {path.name: path.read_bytes() for path in (again / "models").iterdir()}
    assert len(first) == 3 * sum(d.startswith(f"{project}/") for d in MODELS)
    assert [name for name in sorted(first) if first[name] != second[name]] == []
    assert json.loads((again / "run/evaluation.json").read_text())["importance"]["columns"]


@pytest.mark.slow
def test_the_shipped_instances_are_answered(model: Any) -> None:
    directory, predict = model
    instances = instances_of(directory)
    answer = predict(Message(payload={"instances": instances}))
    assert json.loads(json.dumps(answer)) == answer  # plain types, as JSON gives them back
    assert len(answer["predictions"]) == len(instances)
    if "labels" in answer:
        for prediction, scores in zip(answer["predictions"], answer["scores"], strict=True):
            assert sum(scores) == pytest.approx(1, abs=1e-6)
            assert prediction == answer["labels"][scores.index(max(scores))]
    else:
        assert all(0 < prediction < 400 for prediction in answer["predictions"])


@pytest.mark.slow
def test_a_model_answers_its_recorded_sample_as_in_training(model: Any) -> None:
    directory, predict = model
    sample = json.loads(Path(f"models/{makefile(directory)['MODEL_NAME']}.json").read_text())["sample"]
    answer = predict(Message(payload={"instances": sample.pop("instances")}))
    assert answer == sample


@pytest.mark.slow
def test_rows_are_answered_in_their_order_and_one_flat_row_alone(model: Any) -> None:
    directory, predict = model
    instances = instances_of(directory)
    forwards = predict(Message(payload={"instances": instances}))["predictions"]
    assert predict(Message(payload={"instances": instances[::-1]}))["predictions"] == forwards[::-1]
    (alone,) = predict(Message(payload={"instances": instances[1]}))["predictions"]
    # A product of one row may be added up in another order than that of three.
    assert alone == (forwards[1] if isinstance(alone, (int, str)) else pytest.approx(forwards[1]))
    assert len(set(forwards)) > 1


@pytest.mark.slow
def test_a_bad_row_is_a_bad_request(model: Any) -> None:
    directory, predict = model
    instances = instances_of(directory)
    with pytest.raises(BadRequest, match=r"instances\[1\] has"):
        predict(Message(payload={"instances": [instances[0], instances[1][:-1]]}))
    with pytest.raises(BadRequest, match=r"instances\[0\], column .*: the text 'many' where a finite number belongs"):
        predict(Message(payload={"instances": [["many", *instances[0][1:]]]}))


@pytest.mark.parametrize("model", [d for d in MODELS if d.startswith("finance")], indirect=True)
@pytest.mark.slow
def test_an_unseen_category_is_answered(model: Any) -> None:
    directory, predict = model
    row = instances_of(directory)[0]
    row[1], row[13] = "workclass_Astronaut", "native-country_Atlantis"
    assert predict(Message(payload={"instances": [row]}))["predictions"][0] in (0, 1)


def test_another_file_of_the_layout_drops_in(tmp_path: Path, python_path: str) -> None:
    """Columns in another order, one more of them, and values that the shipped file never has."""
    committed = ROOT / "projects/finance_income_prediction/data/adult_income-prepped.csv"
    lines = committed.read_text().splitlines()[:800]
    turned = ["extra," + ",".join(reversed(lines[0].split(",")))]
    turned += ["1," + ",".join(reversed(line.split(","))) for line in lines[1:]]
    (tmp_path / "data").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "data/real.csv").write_text("\n".join(turned).replace("race_Other", "race_Unheard-of"))
    job = [("finance_income_prediction.logisticRegression.train", "train", "data/real.csv", "renamed")]
    subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps(job)], cwd=tmp_path, env={"PYTHONPATH": python_path}, check=True
    )
    record = json.loads((tmp_path / "models/renamed.json").read_text())
    assert record["columns"][0] == "age"
    assert record["metrics"]["roc_auc"] > 0.75
