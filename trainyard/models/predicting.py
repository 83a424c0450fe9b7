"""The frame of a predict function: the message's instances in, a plain dict in the instances' order out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainyard.errors import BadRequest

CLASSIFICATION, REGRESSION = "classification", "regression"
_EXAMPLE = 'send {"payload": {"instances": [[...], ...]}}'


class OneThread:
    """A CatBoost estimator that predicts in the calling thread.

    By itself it starts others at the first prediction, whatever its ``thread_count``, and the models of a process that
    has other threads cannot be shared between workers.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, features: Any, targets: Sequence[Any]) -> None:
        self.estimator.fit(features, targets)

    def predict_proba(self, features: Any) -> Any:
        """Scores of shape ``(rows, labels)``."""
        return self.estimator.predict_proba(features, thread_count=1)

    def predict(self, features: Any) -> Any:
        """Of a regression: one number per row."""
        return self.estimator.predict(features, thread_count=1)


def instances_of(msg: Mapping[str, Any]) -> list[Any]:
    """The rows to predict; one flat instance counts as a list of one.

    Raises:
        BadRequest: no payload, no instances, or none in the list.
    """
    payload = msg.get("payload")
    if not isinstance(payload, Mapping):
        raise BadRequest("the message has no payload", _EXAMPLE)
    instances = payload.get("instances")
    if not isinstance(instances, (list, tuple)):
        raise BadRequest("the payload has no list of instances", _EXAMPLE)
    if not instances:
        raise BadRequest("the list of instances is empty", _EXAMPLE)
    is_flat = not isinstance(instances[0], (list, tuple, dict))
    return [instances] if is_flat else list(instances)


def classify(model: Mapping[str, Any], instances: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """``predictions`` (the likeliest label), ``scores`` (one list per row, in the order of ``labels``), ``labels``.

    Args:
        model: a bundle of ``trainyard.models.training.fit_classifier``, or its compiled form.
        instances: rows in the order of the columns that the model was fitted on.

    Raises:
        BadRequest: a row that the model's encoder refuses.
    """
    scores = model["estimator"].predict_proba(model["encoder"].transform(instances))
    labels = model["labels"]
    predictions = [labels[best] for best in scores.argmax(axis=1)]
    return {"predictions": predictions, "scores": scores.tolist(), "labels": list(labels)}


def estimate(model: Mapping[str, Any], instances: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """``predictions``: one number per row, in the unit of the label. Arguments and errors as of ``classify``."""
    return {"predictions": model["estimator"].predict(model["encoder"].transform(instances)).tolist()}
