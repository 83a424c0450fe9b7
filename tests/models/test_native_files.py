"""Models as the file of their library: no pickle, the same answers, and nothing is loaded that is not the recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from trainyard.contract.model_files import hashed
from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.image.train.completing_records import complete
from trainyard.models import binaries
from trainyard.models.binaries import load_model
from trainyard.models.predicting import OneThread, classify, estimate
from trainyard.models.tables import Table
from trainyard.models.training import Job, fit_classifier, fit_regressor, save

pytestmark = pytest.mark.slow  # the libraries take seconds to import, in each worker

MODELS = Path("models")
SUFFIXES = {"xgboost": ".ubj", "catboost": ".cbm"}


def table(labels: Mapping[bool, Any]) -> Table:
    rng = np.random.default_rng(3)
    rows = [[float(rng.normal(50, 20)), f"p{rng.integers(3)}"] for _ in range(120)]
    return Table(Path("data/t.csv"), ("size", "place"), rows, [labels[size > 50] for size, _ in rows])


def estimator(library: str, *, classes: bool) -> Any:
    if library == "xgboost":
        from xgboost import XGBClassifier, XGBRegressor

        return (XGBClassifier if classes else XGBRegressor)(n_estimators=5, n_jobs=1)
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if classes else CatBoostRegressor
    return OneThread(kind(iterations=5, thread_count=1, verbose=False, allow_writing_files=False))


def published(data: Table, model: dict[str, Any]) -> None:
    """Saved, and recorded as the train image does it."""
    save(Job(data.path, "m", {}), model, data, native=True)
    own = json.loads((MODELS / "m.json").read_text())
    names = [path.name for path in MODELS.iterdir() if path.name != "m.json"]
    complete(MODELS / "m.json", "m", hashed(MODELS, names), own, {}, MODELS)
    binaries._loaded.clear()


@pytest.mark.parametrize("library", SUFFIXES)
@pytest.mark.parametrize("classes", [True, False])
def test_the_file_answers_as_the_model(workdir: Path, library: str, classes: bool) -> None:
    data = table({True: "large", False: "small"} if classes else {True: 7.5, False: -2.0})
    model = (fit_classifier if classes else fit_regressor)(estimator(library, classes=classes), data, scale=False)
    published(data, model)
    assert {path.name for path in MODELS.iterdir()} == {"m.encoder.json", "m.json", f"m{SUFFIXES[library]}"}
    answer = classify if classes else estimate
    assert answer(load_model("m"), data.rows) == answer(model, data.rows)
    record = json.loads((MODELS / "m.json").read_text())
    assert answer(load_model("m"), record["sample"]["instances"])["predictions"] == record["sample"]["predictions"]
    published(data, model)  # again: over the files of the one before
    assert answer(load_model("m"), data.rows) == answer(model, data.rows)


@pytest.mark.parametrize("name", ["m.ubj", "m.encoder.json"])
def test_a_changed_file_is_not_loaded(workdir: Path, name: str) -> None:
    data = table({True: "large", False: "small"})
    published(data, fit_classifier(estimator("xgboost", classes=True), data, scale=False))
    (MODELS / name).write_bytes((MODELS / name).read_bytes() + b" ")
    with pytest.raises(ModelUnavailable, match=rf"{name}: corrupt"):
        load_model("m")
    (MODELS / name).unlink()
    with pytest.raises(ModelUnavailable):
        load_model("m")


def test_a_library_without_a_format_is_named(workdir: Path) -> None:
    data = table({True: "large", False: "small"})
    model = fit_classifier(LogisticRegression(), data, scale=True)
    with pytest.raises(TrainyardError, match="LogisticRegression has no file format of its own"):
        save(Job(data.path, "m", {}), model, data, native=True)
