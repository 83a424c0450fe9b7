"""What the report of a run is drawn from: plain numbers about a model and the rows that it has not seen.

For training only. Thinned to what a picture can show, so that a million rows cost as little as a thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainyard.models.importance import importance
from trainyard.models.metrics import with_new_classes
from trainyard.models.predicting import CLASSIFICATION
from trainyard.models.tables import Table

Floats = NDArray[np.float64]
MOST_CLASSES = 10  # with a curve of their own, and a line of the confusion matrix; the others are summed up
MOST_ROWS = 100_000  # that curves are made of
MOST_POINTS = 300  # of one curve
MOST_DOTS = 1000  # of a cloud
BINS = 10  # of scores, to compare them with what came true
BARS = 30  # of a histogram
OTHERS = "others"


def evaluate(model: Mapping[str, Any], held_out: Table, outcome: Any) -> dict[str, Any]:
    """The evaluation of a model.

    Args:
        model: the bundle of ``trainyard.models.training``.
        held_out: rows that it has not seen.
        outcome: its scores of those rows, columns in the order of its labels; of a regression, its estimates.
    """
    values = np.asarray(outcome, dtype=np.float64)
    if model["task"] == CLASSIFICATION:
        found = _classes(held_out.labels, values, model["labels"])
    else:
        found = _quantities(np.asarray(held_out.labels, dtype=np.float64), values)
    found |= {"task": model["task"], "rows": len(held_out.rows)}
    important = importance(model, held_out)
    return found | ({"importance": important} if important else {})


def _classes(truth: Sequence[Any], scores: Floats, labels: Sequence[Any]) -> dict[str, Any]:
    scores, labels = with_new_classes(truth, scores, labels)
    index = {label: i for i, label in enumerate(labels)}
    actual = np.array([index[label] for label in truth], dtype=np.intp)
    counts = np.bincount(actual, minlength=len(labels))
    shown = sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())
    # Of two classes one curve says all: that of the positive one, the second.
    curves = [1] if len(labels) == 2 else shown
    step = -(-len(actual) // MOST_ROWS)
    thinned, of = actual[::step], scores[::step]
    by_class = [_curves(labels[number], thinned == number, of[:, number]) for number in curves]
    return {
        "labels": [str(labels[number]) for number in shown] + ([OTHERS] if len(shown) < len(labels) else []),
        "confusion": _confusion(actual, scores.argmax(axis=1), shown, len(labels)),
        "curves": [one for one in by_class if one],
    }


def _confusion(actual: NDArray[np.intp], predicted: Any, shown: list[int], classes: int) -> list[list[int]]:
    """How many rows of each class (a line) were labelled as each (a column)."""
    place = np.full(classes, len(shown))
    place[shown] = range(len(shown))
    size = len(shown) + (len(shown) < classes)
    counts = np.bincount(place[actual] * size + place[predicted], minlength=size * size)
    table: list[list[int]] = counts.reshape(size, size).tolist()
    return table


def _curves(label: Any, is_it: NDArray[np.bool_], scores: Floats) -> dict[str, Any] | None:
    """ROC, precision and recall, calibration of one class; None where all rows are of it, or none is."""
    if is_it.all() or not is_it.any():
        return None
    false, true, _ = sk.roc_curve(is_it, scores)
    precision, recall, _ = sk.precision_recall_curve(is_it, scores)
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    filled = count > 0
    mean = np.bincount(bins, scores, BINS)[filled] / count[filled]
    share = np.bincount(bins, is_it, BINS)[filled] / count[filled]
    return {
        "label": str(label),
        "share": _short(is_it.mean()),
        "roc": {"area": _short(sk.auc(false, true)), **_thinned(false, true)},
        "precision_recall": {
            "area": _short(sk.average_precision_score(is_it, scores)),
            **_thinned(recall, precision),
        },
        "calibration": {"x": _plain(mean), "y": _plain(share), "rows": count[filled].tolist()},
    }


def _quantities(truth: Floats, predicted: Floats) -> dict[str, Any]:
    residuals = truth - predicted
    step = -(-len(truth) // MOST_DOTS)
    heights, edges = np.histogram(residuals, bins=min(BARS, max(5, int(np.sqrt(len(residuals))))))
    return {
        "estimates": {"truth": _plain(truth[::step]), "predicted": _plain(predicted[::step])},
        "residuals": {"edges": _plain(edges), "counts": heights.tolist()},
    }


def _thinned(x: Floats, y: Floats) -> dict[str, list[float]]:
    """Points of a curve at equal distances along it."""
    if len(x) > MOST_POINTS:
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], MOST_POINTS)))
        x, y = x[kept], y[kept]
    return {"x": _plain(x), "y": _plain(y)}


def _plain(values: Floats) -> list[float]:
    return [_short(value) for value in values]


def _short(value: Any) -> float:
    """More digits than a picture shows would only fill the run's folder."""
    return float(f"{value:.6g}")
