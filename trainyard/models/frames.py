"""Serves models that take a pandas data frame, such as a scikit-learn pipeline that was fitted on one.

A model that ``save_model(pipeline, name, frame=X)`` saved is served without code of its own, by a route to
``trainyard.models.frames:predict``; or, in an image of several models, by one line in its predict.py:

    predict_prices = predictor("houses_prices")
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainyard.contract.records import binary_path, read_record
from trainyard.errors import ModelUnavailable
from trainyard.models.binaries import MODELS, load_model, served_model_name
from trainyard.models.frame_schemas import Column, answer_of, frame_of, is_fractional, sample_of, schema_of
from trainyard.models.predicting import instances_of

__all__ = ["frame_of", "predict", "predict_frame", "predictor", "sample_of", "schema_of"]


def predictor(model_name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A predict function for the model of that name, or for the one that MODEL_NAME says."""

    def predict(msg: Mapping[str, Any]) -> dict[str, Any]:
        return predict_frame(served_model_name(model_name), instances_of(msg))

    predict.model_name = model_name  # type: ignore[attr-defined] # the server tries it with that model's sample
    predict.__module__ = sys._getframe(1).f_globals["__name__"]  # as if it was written there: its sample lies beside it
    return predict


def predict(msg: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the model that this image serves."""
    name = served_model_name("")
    if not name:
        raise ModelUnavailable(
            "trainyard.models.frames:predict serves the model of MODEL_NAME, and an image of several models has none",
            'write predict_x = predictor("x") into its predict.py, and route to that',
        )
    return predict_frame(name, instances_of(msg))


def predict_frame(model_name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """``predictions``, and of a classifier ``scores`` and ``labels``.

    Raises:
        ModelUnavailable: no such model, or one that was saved without its frame.
    """
    model = load_model(model_name)
    columns = _columns(os.getcwd(), model_name)  # noqa: PTH109 -- in every request
    if not any(is_fractional(column, row[place]) for place, column in enumerate(columns) for row in rows):
        return answer_of(model, frame_of(rows, columns))
    # A fraction makes a column of fractions of one of whole numbers: no other row shall be read differently for it.
    answers = [answer_of(model, frame_of([row], columns)) for row in rows]
    joined = {key: [item for answer in answers for item in answer[key]] for key in answers[0] if key != "labels"}
    return joined | ({"labels": answers[0]["labels"]} if "labels" in answers[0] else {})


@functools.cache
def _columns(_folder: str, model_name: str) -> list[Column]:
    """What the model's record says of its frame; a new model comes with this module imported anew."""
    record = read_record(binary_path(MODELS, model_name)) or {}
    columns = (record.get("schema") or {}).get("columns") or []
    if not columns or not all("dtype" in column for column in columns):
        raise ModelUnavailable(
            f"the record of {model_name} does not say what data frame it takes",
            f"save it by save_model(model, {model_name!r}, frame=X)",
        )
    return list(columns)
