"""How much each column of the dataset matters to a model; for training only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainyard.models.metrics import with_new_classes
from trainyard.models.predicting import CLASSIFICATION, OneThread
from trainyard.models.tables import Table

MOST_COLUMNS = 20
SAMPLE_ROWS = 300
SECONDS = 0.2  # that shuffling may take; with more columns, or a slower model, nothing is recorded


def importance(model: Mapping[str, Any], held_out: Table) -> dict[str, Any] | None:
    """The columns that matter most, the first of them most, and what the numbers are; None where it is not known."""
    estimator = model["estimator"]
    inner = estimator.estimator if isinstance(estimator, OneThread) else estimator
    own = getattr(inner, "feature_importances_", None)
    if own is not None:
        kind, by_column = "share of what the trees gain, by column", _summed(own, model["encoder"])
    else:
        kind, by_column = "how much worse with the column shuffled", _shuffled(model, held_out)
    finite = {name: value for name, value in by_column.items() if np.isfinite(value)}
    largest = sorted(finite, key=lambda name: (-finite[name], name))[:MOST_COLUMNS]
    if not largest:
        return None
    return {"kind": kind, "columns": largest, "values": [float(f"{finite[name]:.6g}") for name in largest]}


def _summed(importances: Any, encoder: Any) -> dict[str, float]:
    """Of the features of one column, the sum; all of them add up to 1."""
    total = float(np.sum(importances)) or 1.0
    found = dict.fromkeys(encoder.columns, 0.0)
    for column, value in zip(encoder.feature_columns, importances, strict=True):
        found[column] += float(value) / total
    return found


def _shuffled(model: Mapping[str, Any], held_out: Table) -> dict[str, float]:
    """The growth of the log loss, or of the root mean squared error, when one column's values change places."""
    start = time.perf_counter()
    encoder, random = model["encoder"], np.random.default_rng(7)
    step = -(-len(held_out.rows) // SAMPLE_ROWS)
    features, truth = encoder.transform(held_out.rows[::step]), held_out.labels[::step]
    owners = np.array(encoder.feature_columns)
    before = _loss(model, features, truth)
    if (time.perf_counter() - start) * len(encoder.columns) > SECONDS:
        return {}
    found = {}
    for column in encoder.columns:
        own = owners == column
        changed = features.copy()
        changed[:, own] = features[random.permutation(len(features))][:, own]
        found[column] = _loss(model, changed, truth) - before
    return found


def _loss(model: Mapping[str, Any], features: Any, truth: Any) -> float:
    if model["task"] == CLASSIFICATION:
        return log_loss(truth, *with_new_classes(truth, model["estimator"].predict_proba(features), model["labels"]))
    return root_mean_squared_error(truth, model["estimator"].predict(features))


def log_loss(truth: Any, scores: Any, labels: Any) -> float:
    """As scikit-learn's, without its checks, which cost more than the sum itself."""
    index = {label: i for i, label in enumerate(labels)}
    rights = np.asarray(scores, dtype=np.float64)[np.arange(len(truth)), [index[label] for label in truth]]
    return float(-np.log(np.clip(rights, np.finfo(np.float64).eps, 1.0)).mean())


def root_mean_squared_error(truth: Any, predicted: Any) -> float:
    return float(np.sqrt(np.mean((np.asarray(truth, dtype=np.float64) - predicted) ** 2)))
