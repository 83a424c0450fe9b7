"""Serves a fitted model that ``make adopt`` has brought here: a pickled estimator, or a file in a library's own format.

Its record says what it is (``adopted``) and what its columns are (``schema``). A predict.py has one line:

    predict_prices = predictor("houses_prices")
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainyard.contract.records import binary_path, read_record, record_path
from trainyard.errors import ModelUnavailable
from trainyard.models.binaries import MODELS, load_model, served_model_name
from trainyard.models.predicting import instances_of

Rows = Sequence[Sequence[Any]]
Answer = dict[str, Any]
Columns = Sequence[Mapping[str, Any]]
ADOPTED = "adopted"  # of a record


def predictor(model_name: str) -> Callable[[Mapping[str, Any]], Answer]:
    """A predict function for the model of that name, or for the one that MODEL_NAME says."""

    def predict(msg: Mapping[str, Any]) -> Answer:
        name = served_model_name(model_name)
        return _loaded(os.getcwd(), name)(instances_of(msg))  # noqa: PTH109 -- in every request

    predict.model_name = model_name  # type: ignore[attr-defined] # the server tries it with that model's sample
    predict.__module__ = sys._getframe(1).f_globals["__name__"]  # as if it was written there: its sample lies beside it
    return predict


@functools.cache
def _loaded(_folder: str, model_name: str) -> Callable[[Rows], Answer]:
    """What answers rows; a new model comes with this module imported anew.

    Raises:
        ModelUnavailable: there is none, or it is none that was adopted.
    """
    binary = binary_path(MODELS, model_name)
    record = read_record(binary)
    if record is None:
        missing = "bring it and its files back, or adopt the model again: git ignores models/, so clones lack them"
        raise ModelUnavailable(f"{record_path(binary)}: no such file", missing)
    facts, schema = record.get(ADOPTED), record.get("schema") or {}
    if not isinstance(facts, dict) or facts.get("kind") not in ("pickle", *KINDS) or not schema.get("columns"):
        raise ModelUnavailable(f"the record of {model_name} does not say how to serve it", "make adopt writes one")
    columns: Columns = schema["columns"]
    if facts["kind"] == "pickle":
        return _pickled(model_name, facts, columns)
    path = MODELS / f"{model_name}{facts['suffix']}"
    try:
        content = path.read_bytes()  # compared with the record by the server
        return KINDS[facts["kind"]](content, facts, columns)
    except FileNotFoundError:
        raise ModelUnavailable(f"{path}: no such file", "adopt the model again, or bring the file back") from None


def _pickled(model_name: str, facts: Mapping[str, Any], columns: Columns) -> Callable[[Rows], Answer]:
    model = load_model(model_name)

    def answer(rows: Rows) -> Answer:
        if facts.get("by_name"):
            from trainyard.models.frame_schemas import frame_of

            features: Any = frame_of(rows, columns)
        elif facts.get("texts"):
            features = [row[0] for row in rows]
        else:
            features = _matrix(rows, columns)
        return _estimated(model, features)

    return answer


def _estimated(model: Any, features: Any) -> Answer:
    """Of what answers as scikit-learn's estimators do."""
    import numpy as np

    answer: Answer = {"predictions": np.asarray(model.predict(features)).tolist()}
    labels = getattr(model, "classes_", None)
    if labels is not None and hasattr(model, "predict_proba"):
        scores = model.predict_proba(features)
        if hasattr(scores, "tolist"):  # of several outputs it is a list
            answer |= {"scores": scores.tolist(), "labels": np.asarray(labels).tolist()}
    return answer


def _xgboost(content: bytes, facts: Mapping[str, Any], columns: Columns) -> Callable[[Rows], Answer]:
    import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(content))
    names = booster.feature_names

    def answer(rows: Rows) -> Answer:
        data = xgboost.DMatrix(
            _matrix(rows, columns), feature_names=names, feature_types=booster.feature_types, nthread=1
        )
        found = booster.predict(data)
        if facts.get("objective") == "binary:logistic":
            return _of_two(found)
        return _of_classes(found) if facts.get("objective") == "multi:softprob" else {"predictions": found.tolist()}

    return answer


def _lightgbm(content: bytes, facts: Mapping[str, Any], columns: Columns) -> Callable[[Rows], Answer]:
    import lightgbm

    booster = lightgbm.Booster(model_str=content.decode())

    def answer(rows: Rows) -> Answer:
        found: Any = booster.predict(
            _frame(rows, columns) if facts.get("categories") else _matrix(rows, columns), num_threads=1
        )
        if facts.get("objective") == "binary":
            return _of_two(found)
        classes = facts.get("objective") in ("multiclass", "multiclassova")
        return _of_classes(found) if classes else {"predictions": found.tolist()}

    return answer


def _frame(rows: Rows, columns: Columns) -> Any:
    """With the texts as categories: LightGBM knows their codes by what it has kept of its training."""
    import pandas as pd

    values = dict(zip((column["name"] for column in columns), zip(*rows, strict=True), strict=True))
    frame = pd.DataFrame(values)
    for column in columns:
        frame[column["name"]] = frame[column["name"]].astype("category" if _is_text(column) else float)
    return frame


def _catboost(content: bytes, facts: Mapping[str, Any], columns: Columns) -> Callable[[Rows], Answer]:
    import catboost
    import numpy as np

    model = catboost.CatBoost().load_model(blob=content)
    labels = np.asarray(model.classes_).tolist()
    exponent = str(facts.get("loss", "")).startswith(("Poisson", "Tweedie"))
    kind = "Probability" if labels else "Exponent" if exponent else "RawFormulaVal"
    places, texts = facts["places"], set(facts["categories"])

    def row_of(row: Sequence[Any]) -> list[Any]:
        found: list[Any] = ["" if place in texts else float("nan") for place in range(facts["width"])]
        for place, value in zip(places, row, strict=True):
            found[place] = ("" if value is None else str(value)) if place in texts else _number(value)
        return found

    def answer(rows: Rows) -> Answer:
        found = np.asarray(model.predict([row_of(row) for row in rows], prediction_type=kind, thread_count=1))
        return _of_classes(found, labels) if labels else {"predictions": found.tolist()}

    return answer


def _onnx(content: bytes, facts: Mapping[str, Any], columns: Columns) -> Callable[[Rows], Answer]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = facts["inputs"]

    def answer(rows: Rows) -> Answer:
        if len(inputs) == 1:
            values = [rows if inputs[0][2] == 2 else [row[0] for row in rows]]
        else:
            values = [[[row[place]] if one[2] == 2 else row[place] for row in rows] for place, one in enumerate(inputs)]
        feed = {one[0]: _typed(found, one[1]) for one, found in zip(inputs, values, strict=True)}
        return _of_outputs(session.run(None, feed))

    return answer


def _typed(values: Any, kind: str) -> Any:
    import numpy as np

    if kind == "string":
        return np.array(values, dtype=object)
    types = {"float": np.float32, "double": np.float64, "bool": np.bool_}
    return np.array(values, dtype=types.get(kind) or np.dtype(kind))


def _of_outputs(outputs: Sequence[Any]) -> Answer:
    """Labels and scores, as converters of classifiers give them; else the first output."""
    import numpy as np

    first = np.asarray(outputs[0])
    answer: Answer = {"predictions": (first[:, 0] if first.ndim == 2 and first.shape[1] == 1 else first).tolist()}
    if len(outputs) == 2 and isinstance(outputs[1], list) and outputs[1] and isinstance(outputs[1][0], dict):
        labels = list(outputs[1][0])
        answer |= {"scores": [[float(row[label]) for label in labels] for row in outputs[1]], "labels": labels}
    elif len(outputs) == 2 and first.ndim == 1 and np.ndim(outputs[1]) == 2:
        answer["scores"] = np.asarray(outputs[1]).tolist()
    return answer


def _matrix(rows: Rows, columns: Columns) -> Any:
    """An array of numbers; of objects where a column is of texts."""
    import numpy as np

    if any(map(_is_text, columns)):
        return np.array([[None if value is None else value for value in row] for row in rows], dtype=object)
    return np.array([[_number(value) for value in row] for row in rows], dtype=float)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _is_text(column: Mapping[str, Any]) -> bool:
    return column["type"] in ("category", "text", "date")


def _of_two(scores: Any) -> Answer:
    """Of the scores of the second of two classes."""
    both = [[1 - float(score), float(score)] for score in scores]
    return {"predictions": [int(score[1] > score[0]) for score in both], "scores": both, "labels": [0, 1]}


def _of_classes(scores: Any, labels: Sequence[Any] | None = None) -> Answer:
    names = list(range(scores.shape[1])) if labels is None else list(labels)
    predictions = [names[best] for best in scores.argmax(axis=1)]
    return {"predictions": predictions, "scores": scores.tolist(), "labels": names}


KINDS: Mapping[str, Callable[[bytes, Mapping[str, Any], Columns], Callable[[Rows], Answer]]] = {
    "xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost, "onnx": _onnx,
}  # fmt: skip
