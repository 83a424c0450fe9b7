"""Compiled models: they answer as what they were made from, or there is none and the record says why."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from common_utils import compiling
from common_utils.compiled import load_compiled
from common_utils.compiling import compile_model
from common_utils.predicting import classify, estimate
from common_utils.tables import Table
from common_utils.training import Job, fit_classifier, fit_regressor, save
from trainyard.errors import ModelUnavailable
from utils import binaries
from utils.binaries import load_model

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to import, in each worker

COLUMNS = ("size", "place", "age")


def table(rows: int = 200, *, classes: bool = True) -> Table:
    rng = np.random.default_rng(3)
    values = [[float(rng.normal(50, 20)), f"p{rng.integers(4)}", int(rng.integers(90))] for _ in range(rows)]
    scores = [size + 10 * age / 9 + rng.normal() for size, _, age in values]
    return Table(Path("data/t.csv"), COLUMNS, values, [int(s > 100) if classes else s for s in scores])


def saved(estimator: Any, *, classes: bool = True, name: str = "m") -> dict[str, Any]:
    """Train, save, and give the record."""
    data = table(classes=classes)
    model = (fit_classifier if classes else fit_regressor)(estimator, data, scale=False)
    save(Job(data.path, name, {}), model, table(50, classes=classes))
    record: dict[str, Any] = json.loads(Path(f"models/{name}.json").read_text())
    return record


def run(script: str, python_path: str) -> str:
    """What a script prints in a process of its own."""
    env = {"PYTHONPATH": python_path}
    return subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout


def test_scores_are_those_of_the_estimator(workdir: Path) -> None:
    data = table()
    model = fit_classifier(LogisticRegression(max_iter=500), data, scale=True)
    compiled = load_compiled(compile_model(model, data.rows).content)
    one, other = classify(model, data.rows), classify(compiled, data.rows)
    assert (one["predictions"], one["labels"]) == (other["predictions"], other["labels"])
    assert np.abs(np.array(one["scores"]) - np.array(other["scores"])).max() < 1e-6
    assert (compiled["encoder"].transform(data.rows) == model["encoder"].transform(data.rows)).all()


def test_estimates_are_those_of_the_estimator(workdir: Path) -> None:
    data = table(classes=False)
    model = fit_regressor(RandomForestRegressor(10, random_state=1), data, scale=False)
    compiled = load_compiled(compile_model(model, data.rows).content)
    assert estimate(compiled, data.rows)["predictions"] == pytest.approx(estimate(model, data.rows)["predictions"])


def test_the_compiled_model_is_what_is_served(workdir: Path) -> None:
    record = saved(DecisionTreeClassifier(max_depth=4, random_state=1))
    assert record["compiled"]["compared_rows"] == 50
    assert record["compiled"]["largest_difference"] < 1e-6
    assert type(load_model("m")["estimator"]).__name__ == "CompiledEstimator"
    assert load_model("m")["model_name"] == "m"


def test_compiled_models_of_several_projects(workdir: Path) -> None:
    """As an image of several projects sees them: binaries and records are links, the rest lies where these lead."""
    saved(DecisionTreeClassifier(max_depth=4, random_state=1))
    Path("models").rename("project")
    Path("models").mkdir()
    Path("models/.projects").symlink_to("..")
    for name in ("m.pkl", "m.json"):
        Path("models", name).symlink_to(f".projects/project/{name}")
    assert type(load_model("m")["estimator"]).__name__ == "CompiledEstimator"


def test_the_pickle_is_served_where_the_setting_says_so(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(DecisionTreeClassifier(max_depth=4, random_state=1))
    monkeypatch.setenv("COMPILED", "0")
    assert isinstance(load_model("m")["estimator"], DecisionTreeClassifier)


def test_an_environment_without_onnxruntime_serves_the_pickle(workdir: Path, python_path: str) -> None:
    saved(DecisionTreeClassifier(max_depth=4, random_state=1))
    script = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from utils.binaries import load_model; print(type(load_model('m')['estimator']).__name__)"
    )
    assert run(script, python_path) == "DecisionTreeClassifier\n"


def test_an_environment_without_the_estimators_library_serves_the_compiled_model(
    workdir: Path, python_path: str
) -> None:
    saved(DecisionTreeClassifier(max_depth=4, random_state=1))
    script = (
        "import sys\nfor name in ('sklearn', 'joblib', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "from common_utils.predicting import classify\nfrom utils.binaries import load_model\n"
        "print(classify(load_model('m'), [[10.0, 'p1', 20], [90.0, 'unseen', 80]])['predictions'])"
    )
    assert run(script, python_path) == "[0, 1]\n"


def test_a_model_without_an_export_is_served_as_it_is(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Unheard(DecisionTreeClassifier):
        """The converters do not know it."""

        def predict_proba(self, features: Any) -> Any:
            return super().predict_proba(features) ** 2

    globals()["Unheard"] = Unheard  # pickle looks it up
    Unheard.__qualname__ = "Unheard"
    record = saved(Unheard(max_depth=3))
    assert record["compiled"]["refused"].startswith("no export: ")
    assert "not compiled: no export" in capsys.readouterr().out
    assert isinstance(load_model("m")["estimator"], Unheard)


def test_an_export_that_answers_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table()
    model = fit_classifier(ExtraTreesClassifier(10, random_state=1), data, scale=False)
    other = fit_classifier(ExtraTreesClassifier(10, max_depth=1, random_state=2), data, scale=False)
    exported = compile_model(other, data.rows).content
    monkeypatch.setattr(compiling, "_export", lambda _model: exported)
    compiled = compile_model(model, data.rows)
    assert compiled.content == b""
    assert "rows differently" in compiled.facts["refused"]


def test_an_export_that_is_almost_the_same_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "TOLERANCE", 0.0)
    model = fit_classifier(LogisticRegression(max_iter=500), table(), scale=True)
    assert "the export is off by" in compile_model(model, table().rows).facts["refused"]


def test_a_missing_converter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    model = fit_classifier(DecisionTreeClassifier(), table(), scale=False)
    assert compile_model(model, table().rows).facts == {"refused": "skl2onnx is not in requirements_train.txt"}


def test_a_new_training_leaves_one_compiled_file(workdir: Path) -> None:
    saved(DecisionTreeClassifier(max_depth=2, random_state=1), name="mm")
    for depth in (2, 3):
        saved(DecisionTreeClassifier(max_depth=depth, random_state=1))
    found = sorted(path.name for path in Path("models").glob("*.onnx"))
    assert len(found) == 2  # the other model's is not touched
    assert found[0].startswith("m.")


@pytest.mark.parametrize("change", ["cut", "gone"])
def test_a_compiled_model_that_is_not_the_recorded_one_is_refused(workdir: Path, change: str) -> None:
    saved(DecisionTreeClassifier(max_depth=2, random_state=1))
    (path,) = Path("models").glob("*.onnx")
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    else:
        path.unlink()
    with pytest.raises(ModelUnavailable, match=r"models/m\.[0-9a-f]{12}\.onnx: (corrupt|cannot be read).*train"):
        load_model("m")


def test_bytes_that_are_no_compiled_model_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with pytest.raises(ModelUnavailable, match="cannot be loaded") as caught:
        load_compiled(b"nonsense")
    assert "\n" not in str(caught.value)


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_loaded", {})
