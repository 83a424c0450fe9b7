"""What a run's report is drawn from: the numbers are right, few, and in words that JSON has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
from sklearn.naive_bayes import GaussianNB

from common_utils.evaluation import MOST_CLASSES, MOST_POINTS, evaluate
from common_utils.importance import importance
from common_utils.tables import Table
from common_utils.training import fit_classifier, fit_regressor, measure

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to import, in each worker

COLUMNS = ("noise", "colour", "size")


def table(rows: int, seed: int, *, numeric: bool = False) -> Table:
    """The label follows the size and, a little, the colour."""
    random = np.random.default_rng(seed)
    values = [[float(a), str(c), float(b)] for a, b, c in zip(
        random.normal(size=rows), random.normal(size=rows), random.choice(["red", "blue", "green"], rows), strict=True
    )]  # fmt: skip
    target = [3 * row[2] + (row[1] == "red") + 0.5 * random.normal() for row in values]
    labels = target if numeric else ["high" if value > 0 else "low" for value in target]
    return Table(Path("data/made.csv"), COLUMNS, values, labels)


def scored(scores: list[list[float]], labels: list[Any], truth: list[Any]) -> dict[str, Any]:
    """The evaluation of given scores, by a model of which nothing else is known."""
    rows = Table(Path("x"), ("a",), [[0.0]] * len(truth), truth)
    model = {"task": "classification", "labels": labels, "estimator": Known(scores), "encoder": Nothing()}
    return evaluate(model, rows, scores)


class Nothing:
    columns = feature_columns = ("a",)

    def transform(self, rows: list[Any]) -> Any:
        return np.zeros((len(rows), 1))


class Known:
    def __init__(self, scores: list[list[float]]) -> None:
        self.scores = np.array(scores)

    def predict_proba(self, features: Any) -> Any:
        return self.scores[: len(features)]


def test_a_class_that_came_after_the_training_has_a_line_and_no_column() -> None:
    found = scored([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], ["no", "yes"], ["no", "yes", "new"])
    assert found["labels"] == ["no", "yes", "new"]
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_two_classes() -> None:
    training, held_out = table(600, 1), table(400, 2)
    model = fit_classifier(LogisticRegression(), training, scale=True)
    scores = model["estimator"].predict_proba(model["encoder"].transform(held_out.rows))
    found = evaluate(model, held_out, scores.tolist())
    assert found["labels"] == ["high", "low"]
    hits = sum(scores.argmax(axis=1) == [["high", "low"].index(str(label)) for label in held_out.labels])
    assert found["confusion"][0][0] + found["confusion"][1][1] == hits
    assert np.sum(found["confusion"]) == found["rows"] == 400
    (curve,) = found["curves"]
    actual = np.array(held_out.labels) == "low"
    assert curve["label"] == "low"
    assert curve["roc"]["area"] == pytest.approx(roc_auc_score(actual, scores[:, 1]), abs=1e-5)
    assert np.trapezoid(curve["roc"]["y"], curve["roc"]["x"]) == pytest.approx(curve["roc"]["area"], abs=2e-3)
    assert sum(curve["calibration"]["rows"]) == 400


def test_a_regression() -> None:
    training, held_out = table(600, 1, numeric=True), table(2500, 2, numeric=True)
    model = fit_regressor(Ridge(), training, scale=True)
    predicted = model["estimator"].predict(model["encoder"].transform(held_out.rows))
    found = evaluate(model, held_out, predicted.tolist())
    assert sum(found["residuals"]["counts"]) == 2500
    assert len(found["estimates"]["truth"]) == len(found["estimates"]["predicted"]) <= 1000
    assert found["importance"]["columns"][0] == "size"
    assert "curves" not in found


@pytest.mark.parametrize(
    "estimator", [RandomForestClassifier(20, random_state=1), LogisticRegression(), GaussianNB()], ids=lambda e: type(e)
)
def test_the_column_that_decides_is_the_most_important(estimator: Any) -> None:
    found = importance(fit_classifier(estimator, table(600, 1), scale=False), table(300, 2))
    assert found
    assert set(found["columns"]) == set(COLUMNS)  # and not the features that a column was made into
    assert found["columns"][0] == "size"
    assert found["values"] == sorted(found["values"], reverse=True)


def test_a_slow_model_is_not_asked_for_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common_utils.importance.SECONDS", 0)
    assert importance(fit_classifier(GaussianNB(), table(100, 1), scale=False), table(100, 2)) is None


def test_of_many_classes_the_frequent_ones_are_shown() -> None:
    labels = [f"c{number}" for number in range(40)]
    truth = [label for number, label in enumerate(labels) for _ in range(1 + number)]
    random = np.random.default_rng(1)
    found = scored(random.dirichlet(np.ones(40), len(truth)).tolist(), labels, truth)
    assert found["labels"] == [*labels[-MOST_CLASSES:], "others"]
    assert np.sum(found["confusion"]) == len(truth)
    assert len(found["curves"]) == MOST_CLASSES


def test_a_large_table_is_thinned() -> None:
    rows = 300_000
    random = np.random.default_rng(1)
    positive = random.random(rows)
    truth = [bool(value) for value in random.random(rows) < positive]
    found = scored(np.column_stack([1 - positive, positive]).tolist(), [False, True], truth)
    assert len(found["curves"][0]["roc"]["x"]) <= MOST_POINTS
    assert len(json.dumps(found)) < 50_000
    assert found["curves"][0]["roc"]["area"] == pytest.approx(5 / 6, abs=0.01)


@settings(deadline=None, max_examples=40)  # every example fits curves
@given(st.data())
def test_any_scores_are_plain_numbers(data: Any) -> None:
    labels = list(range(data.draw(st.integers(2, 12))))
    truth = data.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=30))
    share = st.lists(st.floats(0, 1), min_size=len(labels), max_size=len(labels)).filter(lambda row: sum(row) > 0.01)
    scores = [
        (np.array(row) / sum(row)).tolist()
        for row in data.draw(st.lists(share, min_size=len(truth), max_size=len(truth)))
    ]
    found = scored(scores, labels, truth)
    json.dumps(found, allow_nan=False)
    assert np.sum(found["confusion"]) == len(truth)
    for curve in found["curves"]:
        for kind in ("roc", "precision_recall", "calibration"):
            assert all(0 <= value <= 1.000001 for axis in "xy" for value in curve[kind][axis])


@pytest.fixture
def run(workdir: Path) -> Path:
    (workdir / "run").mkdir()
    return workdir / "run"


def points(run: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        point = json.loads(line)
        found.setdefault(point["name"], []).append(point["value"])
    return found


def boosters() -> list[Any]:
    from catboost import CatBoostClassifier
    from xgboost import XGBClassifier

    return [
        XGBClassifier(n_estimators=12, n_jobs=1),
        CatBoostClassifier(iterations=12, thread_count=1, allow_writing_files=False, verbose=0),
        GradientBoostingClassifier(n_estimators=12),
    ]


@pytest.mark.parametrize("number", range(3))
def test_boosting_reports_every_round(run: Path, number: int) -> None:
    training, held_out = table(300, 1), table(200, 2)
    model = fit_classifier(boosters()[number], training, scale=False, held_out=held_out)
    found = points(run)
    assert set(found) == {"log_loss", "train_log_loss"}
    assert len(found["log_loss"]) == len(found["train_log_loss"]) == 12
    for name, rows in (("log_loss", held_out), ("train_log_loss", training)):
        scores = model["estimator"].predict_proba(model["encoder"].transform(rows.rows))
        assert found[name][-1] == pytest.approx(log_loss(rows.labels, scores, labels=["high", "low"]), abs=1e-4)


def test_boosting_of_a_regression_reports_its_error(run: Path) -> None:
    training, held_out = table(300, 1, numeric=True), table(200, 2, numeric=True)
    model = fit_regressor(GradientBoostingRegressor(n_estimators=9), training, scale=False, held_out=held_out)
    predicted = model["estimator"].predict(model["encoder"].transform(held_out.rows))
    assert points(run)["rmse"][-1] == pytest.approx(root_mean_squared_error(held_out.labels, predicted))


def test_without_a_run_nothing_is_computed(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common_utils.training.evaluate", lambda *_: pytest.fail("it was"))
    model = fit_classifier(
        GradientBoostingClassifier(n_estimators=3), table(100, 1), scale=False, held_out=table(50, 2)
    )
    measure(model, table(50, 2))
    assert not list(workdir.rglob("*.json*"))


def test_an_evaluation_that_fails_is_said_and_loses_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("as asked")

    monkeypatch.setattr("common_utils.training.evaluate", fail)
    assert measure(fit_classifier(GaussianNB(), table(100, 1), scale=False), table(50, 2))["accuracy"] > 0.5
    assert "no pictures for the report: ValueError: as asked" in capsys.readouterr().out
    assert not (run / "evaluation.json").exists()
