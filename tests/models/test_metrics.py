from __future__ import annotations

import pytest

from common_utils.metrics import classification_metrics, regression_metrics

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to import, in each worker


def test_two_classes_by_hand() -> None:
    scores = [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]
    metrics = classification_metrics(["no", "no", "yes", "yes"], scores, ["no", "yes"])
    assert metrics["accuracy"] == 0.75
    assert metrics["roc_auc"] == 0.75  # of the four pairs no/yes, one is in the wrong order
    assert metrics["precision"] == 1.0
    assert metrics["recall"] == 0.5
    assert metrics["f1"] == pytest.approx(2 / 3)
    assert metrics["log_loss"] == pytest.approx(0.4722, abs=1e-4)
    assert all(type(value) is float for value in metrics.values())


def test_three_classes() -> None:
    scores = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]]
    metrics = classification_metrics([1, 2, 3, 3], scores, [1, 2, 3])
    assert metrics["accuracy"] == 0.75
    assert metrics["f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_a_class_that_the_model_has_never_seen_counts_as_wrong() -> None:
    scores = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]
    metrics = classification_metrics(["no", "yes", "maybe"], scores, ["no", "yes"])
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    knows = classification_metrics(
        ["no", "yes", "maybe"], [[0, 0.9, 0.1], [0, 0.2, 0.8], [1, 0, 0]], ["maybe", "no", "yes"]
    )
    assert knows["log_loss"] < metrics["log_loss"] < 100


@pytest.mark.filterwarnings("ignore:Only one class")
def test_a_metric_that_is_undefined_is_left_out() -> None:
    metrics = classification_metrics([0, 0], [[0.9, 0.1], [0.6, 0.4]], [0, 1])
    assert "roc_auc" not in metrics
    assert metrics["accuracy"] == 1.0


def test_regression_by_hand() -> None:
    metrics = regression_metrics([1.0, 2.0, 3.0], [1.0, 2.0, 5.0])
    assert metrics == pytest.approx({"rmse": (4 / 3) ** 0.5, "mae": 2 / 3, "r2": 1 - 4 / 2})
