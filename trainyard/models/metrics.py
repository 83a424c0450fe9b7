"""Metrics of a trained model, as plain floats by name; for training only, since scikit-learn computes them.

A metric that the rows do not define (ROC AUC where a class is absent) is left out: JSON has no word for NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics as sk

Metrics = dict[str, float]


def classification_metrics(truth: Sequence[Any], scores: Any, labels: Sequence[Any]) -> Metrics:
    """Accuracy, ROC AUC, log loss, F1, precision and recall.

    Two classes: F1, precision and recall are those of the positive class, which is the second label. More classes:
    they are means over the classes, and ROC AUC is each class against the rest. A class of ``truth`` that is not
    among ``labels`` counts as one that the model gave no probability.

    Args:
        truth: the right label of each row.
        scores: an array (rows, labels) of probabilities, columns in the order of ``labels``.
        labels: the classes, sorted.
    """
    scores, labels = with_new_classes(truth, np.asarray(scores, dtype=np.float64), labels)
    scores = scores / scores.sum(axis=1, keepdims=True)  # those of float32 libraries add up to 1 to seven digits only
    index = {label: i for i, label in enumerate(labels)}
    actual = np.array([index[label] for label in truth])
    predicted = scores.argmax(axis=1)
    classes = list(range(len(labels)))
    two = len(labels) == 2
    average = {"average": "binary" if two else "macro", "zero_division": 0.0}
    found = {
        "accuracy": sk.accuracy_score(actual, predicted),
        "roc_auc": sk.roc_auc_score(actual, scores[:, 1] if two else scores, multi_class="ovr", labels=classes),
        "log_loss": sk.log_loss(actual, scores, labels=classes),
        "f1": sk.f1_score(actual, predicted, **average),
        "precision": sk.precision_score(actual, predicted, **average),
        "recall": sk.recall_score(actual, predicted, **average),
    }
    return _defined(found)


def with_new_classes(truth: Sequence[Any], scores: Any, labels: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Scores and labels, with a column of zeros for each class that came into the data after the model's training.

    So a champion can be compared with a model that knows the new class.
    """
    new = sorted(set(truth) - set(labels), key=str)
    return np.hstack([scores, np.zeros((len(scores), len(new)))]), [*labels, *new]


def regression_metrics(truth: Sequence[float], predicted: Sequence[float]) -> Metrics:
    """Root mean squared error and mean absolute error, in the unit of the label, and R squared."""
    found = {
        "rmse": sk.root_mean_squared_error(truth, predicted),
        "mae": sk.mean_absolute_error(truth, predicted),
        "r2": sk.r2_score(truth, predicted),
    }
    return _defined(found)


def _defined(found: dict[str, Any]) -> Metrics:
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}
