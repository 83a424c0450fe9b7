"""dvc.yaml is made from the model directories, and the real DVC trains exactly what changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from monorepo import ROOT, Model, Monorepo

from trainyard.contract.model_files import file_path
from trainyard.contract.records import is_trained, read_compiled
from trainyard.host.experiments.dvc_files import IGNORED, ignore_text, pipeline
from trainyard.host.monorepo.repository import find_repository

pytestmark = pytest.mark.slow  # DVC takes its time to start

CONFIG = """
params:
  steps: 2
tuning:
  metric: loss
  hyperparams:
    x:
      default_value: 0.0
      tuning: {param_type: float, min: 0, max: 4}
"""


class Versioned:
    """A monorepo in git and DVC with the models ``one`` and ``two``."""

    def __init__(self, repo: Monorepo, train: str) -> None:
        self.repo = repo
        self.models = [self._model(name, train) for name in ("one", "two")]
        shutil.copy(ROOT / ".gitignore", repo.path)
        self.git("init", "-q")
        self.dvc("init", "-q")
        repo.make(None, "dvc").succeeded()
        self.commit()

    def _model(self, name: str, train: str) -> Model:
        model = self.repo.add_model(name)
        (model.path / "train.py").write_text(train)
        (model.path / "config.yaml").write_text(CONFIG)
        return model

    @property
    def project(self) -> Path:
        return self.models[0].path.parent

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=self.repo.path, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "a step")

    def dvc(self, *arguments: str) -> str:
        done = subprocess.run(
            [ROOT / ".venv/bin/dvc", *arguments], cwd=self.repo.path, capture_output=True, text=True, check=False,
            env=self.repo.environment(DVC_NO_ANALYTICS="1"), timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"dvc {arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def trained(self) -> list[str]:
        """Run the pipeline; the names of the models that it has trained."""
        before = {path.name for path in (self.project / "runs").glob("*")}
        self.dvc("repro", str(self.project / "dvc.yaml"))
        runs = [path for path in (self.project / "runs").glob("*") if path.name not in before]
        return sorted(json.loads((run / "run.json").read_text())["model_name"] for run in runs)


@pytest.fixture
def versioned(tmp_path: Path) -> Iterator[Versioned]:
    train = (ROOT / "tests/experiments/conftest.py").read_text().split("'''")[1]
    yield Versioned(Monorepo(tmp_path / "repo"), train)


def test_dvc_trains_what_changed_and_nothing_else(versioned: Versioned) -> None:
    one, two = versioned.models
    assert versioned.trained() == ["one", "two"]
    assert versioned.trained() == []
    versioned.commit()

    one.replace("predict.py", "factor * sum", "1 * factor * sum")
    one.replace("config.yaml", "max: 4", "max: 5")
    assert versioned.trained() == []
    one.replace("config.yaml", "default_value: 0.0", "default_value: 1.0")
    assert versioned.trained() == ["one"]
    two.replace("train.py", "A parabola", "A curve")
    assert versioned.trained() == ["two"]

    changed = json.loads(versioned.dvc("metrics", "diff", "--json"))
    assert changed == {"projects/sums/training_metrics/one.json": {
        "accuracy": {"old": 0.2, "new": 0.5, "diff": 0.3}, "loss": {"old": 4.0, "new": 1.0, "diff": -3.0},
    }}  # fmt: skip
    plots: dict[str, Any] = json.loads(versioned.dvc("plots", "diff", "--json"))
    values = next(value for name, value in plots["data"].items() if "training_metrics/one.csv" in name)
    assert "loss" in json.dumps(values)

    (versioned.project / "data" / "numbers.csv").write_text("a,b\n1,2\n5,6\n")
    assert versioned.trained() == ["one", "two"]


def test_a_folder_of_data_is_one_dependency(versioned: Versioned) -> None:
    one = versioned.models[0]
    sales = versioned.project / "data" / "sales"
    sales.mkdir()
    (sales / "part-1.csv").write_text("a,b\n1,2\n")
    one.replace("Makefile", "data/numbers.csv", "data/sales/")
    versioned.repo.make(None, "dvc").succeeded()
    assert versioned.trained() == ["one", "two"]
    (sales / "part-2.csv").write_text("a,b\n3,4\n")
    assert versioned.trained() == ["one"]
    assert versioned.trained() == []


def test_a_remote_gives_binary_and_record_back(versioned: Versioned, tmp_path: Path) -> None:
    versioned.trained()
    versioned.dvc("remote", "add", "-d", "here", str(tmp_path / "remote"))
    assert "3 files pushed" in versioned.dvc("push")  # the two binaries are equal
    models = versioned.project / "models"
    before = {path.name: path.read_bytes() for path in models.glob("*.*") if path.suffix in (".pkl", ".json")}
    assert set(before) == {"one.pkl", "one.json", "two.pkl", "two.json"}
    shutil.rmtree(models)
    shutil.rmtree(versioned.repo.path / ".dvc/cache")
    versioned.dvc("pull")
    assert {name: (models / name).read_bytes() for name in before} == before
    assert versioned.trained() == []


def test_a_checkout_brings_compiled_forms_and_folders_back(versioned: Versioned) -> None:
    """Each training writes another compiled form, named by its content, and one of the models is a folder beside it."""
    compiled, folder = versioned.models
    for model in versioned.models:
        (model.path / "requirements_train.txt").write_text("")
    (compiled.path / "requirements_train.txt").write_text(
        "# onnx is what the test writes by itself\n  onnx; python_version < '3'\n"
    )
    compiled.replace("train.py", "def train(msg):", COMPILING)
    folder.replace("train.py", "def train(msg):", FOLDER)
    models = versioned.project / "models"
    versioned.repo.make(folder, "build-train", "train").succeeded()
    versioned.repo.make(None, "dvc").succeeded()
    assert versioned.trained() == ["one", "two"]
    versioned.commit()
    before = whole(models)
    assert [name for name in before if name.startswith("one.") and name.endswith(".onnx")]
    assert "two_model/part" in before

    for model in versioned.models:  # plain trainings, which DVC does not know of
        model.replace("config.yaml", "default_value: 0.0", "default_value: 1.0")
        versioned.repo.make(model, "build-train", "train").succeeded()
    assert whole(models).keys() != before.keys()
    versioned.git("checkout", "-q", ".")
    versioned.dvc("checkout", "--force")
    for name, content in before.items():
        there = models / name
        if name.endswith(".onnx"):
            there = file_path(models, "one", name)
        assert there.read_bytes() == content
    assert is_trained(folder.binary)
    assert read_compiled(models, "one") == before[next(name for name in before if name.endswith(".onnx"))]


def whole(models: Path) -> dict[str, bytes]:
    """What there is of models, but for what DVC has of it."""
    files = (path for path in models.rglob("*") if path.is_file())
    return {
        name: path.read_bytes() for path in files if not (name := path.relative_to(models).as_posix()).startswith(".")
    }


COMPILING = """
def train(msg):
    import hashlib, json
    result = original(msg)
    x = str(msg["payload"]["params"]["x"]).encode()
    sha256 = hashlib.sha256(x).hexdigest()
    with open(f"models/one.{sha256[:12]}.onnx", "wb") as file:
        file.write(x)
    with open("models/one.json", "r+") as file:
        record = json.load(file) | {"compiled": {"sha256": sha256}}
        file.seek(0)
        file.truncate()
        json.dump(record, file)
    return result


def original(msg):"""
FOLDER = """
def train(msg):
    import os
    original(msg)
    os.remove("models/two.pkl")
    os.makedirs("models/two_model", exist_ok=True)
    with open("models/two_model/part", "w") as file:
        file.write(str(msg["payload"]["params"]["x"]))


def original(msg):"""


def test_a_training_that_fails_leaves_the_old_binary(versioned: Versioned) -> None:
    versioned.trained()
    one = versioned.models[0]
    before = one.binary.read_bytes()
    one.replace("config.yaml", "steps: 2", "steps: 2\n  crash: true")
    with pytest.raises(AssertionError, match="RuntimeError: as asked"):
        versioned.trained()
    assert one.binary.read_bytes() == before


def test_the_file_is_the_same_each_time(repo: Monorepo, model: Model) -> None:
    (model.path / "config.yaml").write_text(CONFIG)
    path = model.path.parent / "dvc.yaml"
    assert f"would write projects/{model.project}/dvc.yaml" in repo.make(None, "-n", "dvc").succeeded().out
    assert not path.exists()
    assert f"wrote projects/{model.project}/dvc.yaml" in repo.make(None, "dvc").succeeded().out
    before = path.read_bytes()
    assert "wrote" not in repo.make(None, "dvc").succeeded().out
    assert path.read_bytes() == before
    stage = yaml.safe_load(before)["stages"][model.path.name]
    assert stage["params"] == [{f"{model.path.name}/config.yaml": ["params", "tuning.hyperparams.x.default_value"]}]
    assert "data/numbers.csv" in stage["deps"]
    assert f"{model.path.name}/predict.py" not in stage["deps"]
    # What it would miss is printed.
    (model.path / "features.py").write_text("")
    assert "is not what make dvc would write" in repo.make(model, "train").succeeded().err
    repo.make(None, "dvc").succeeded()
    assert f"{model.path.name}/features.py" in path.read_text()
    assert "make dvc" not in repo.make(model, "train").succeeded().err


def test_a_predict_module_that_training_imports_is_a_dependency(repo: Monorepo, model: Model) -> None:
    (model.path / "train.py").write_text(f"from {model.project}.{model.path.name}.predict import x\n")
    found = find_repository(repo.path)
    assert f"{model.path.name}/predict.py" in pipeline([found.model(model.path)])


def test_the_shipped_pipelines_are_up_to_date() -> None:
    repository = find_repository(ROOT)
    for project in repository.projects():
        models = [repository.model(path) for path in repository.model_paths(project)]
        assert (project / "dvc.yaml").read_text() == pipeline(models), "make dvc"
    assert ignore_text(ROOT / ".dvcignore") == (ROOT / ".dvcignore").read_text()


def test_what_dvc_shall_not_look_at_is_added_once(tmp_path: Path) -> None:
    path = tmp_path / ".dvcignore"
    path.write_text("# mine\n/.venv")
    path.write_text(ignore_text(path))
    assert path.read_text().splitlines()[:2] == ["# mine", "/.venv"]
    assert set(IGNORED) <= set(path.read_text().splitlines())
    assert ignore_text(path) == path.read_text()
