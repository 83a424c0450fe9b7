"""Serves a model folder of MLflow that lies in ``models/<name>``: its own library loads it where we know how, MLflow
itself where not.

https://mlflow.org/docs/latest/model/ describes the folder; ``MLmodel`` names the files of each flavor.
"""

from __future__ import annotations

import functools
import importlib
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainyard.errors import BadRequest, ModelUnavailable
from trainyard.models.binaries import MODELS, served_model_name
from trainyard.models.predicting import instances_of
from trainyard.models.row_arguments import answer

Columns = Sequence[tuple[str, str]]
# Types of MLflow's signatures, by those of numpy and pandas.
TYPES = {
    "long": "int64", "integer": "int32", "double": "float64", "float": "float32", "boolean": "bool", "string": "object",
    "datetime": "datetime64[ns]", "binary": "object",
}  # fmt: skip


def predict(msg: Mapping[str, Any], model_name: str, flavor: str, file: str, columns: Columns = (), made_by: str = "",
            dtype: str = "") -> dict[str, Any]:  # fmt: skip
    """The answer of the model.

    Args:
        msg: the request.
        model_name: the folder in ``models/``, unless MODEL_NAME says another.
        flavor: of MLflow; ``python_function`` needs MLflow itself.
        file: of the model, in that folder.
        columns: names and types of the signature; empty: rows are arrays of numbers.
        made_by: ``module.Class`` that reads ``file``, where the flavor alone does not say it; of skops the types that
            are trusted besides its own, with commas.
        dtype: of an array, where the signature has one.

    Raises:
        BadRequest: rows that are not those of the signature.
        ModelUnavailable: it is not there: train first.
    """
    model = _model(MODELS / served_model_name(model_name), flavor, file, made_by)
    rows = instances_of(msg)
    features = _frame(rows, columns) if columns else _array(rows, dtype)
    found = answer(model.predict(features))
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        found |= {"scores": model.predict_proba(features).tolist(), "labels": model.classes_.tolist()}
    return found


@functools.lru_cache(maxsize=4)
def _model(folder: Path, flavor: str, file: str, made_by: str) -> Any:
    if not (folder / file).exists():
        raise ModelUnavailable(f"{folder}: there is no {file}", "run make train, which publishes what was imported")
    if (code := folder / "code").is_dir():  # what its pickles are made of
        sys.path.append(str(code.resolve()))
    return LOADERS.get(flavor, _by_mlflow)(folder, file, made_by)


def _pickled(folder: Path, file: str, _: str) -> Any:
    with (folder / file).open("rb") as content:
        return pickle.load(content)  # noqa: S301 -- the server has compared its sha256


def _skops(folder: Path, file: str, trusted: str) -> Any:
    """What MLflow writes of scikit-learn today: types, of which only known ones and ``trusted`` are made."""
    import skops.io

    return skops.io.load(folder / file, trusted=trusted.split(",") if trusted else None)


def _joblib(folder: Path, file: str, _: str) -> Any:
    import joblib

    return joblib.load(folder / file)


def _own_format(folder: Path, file: str, made_by: str) -> Any:
    """Of libraries whose estimators have ``load_model``."""
    module, _, name = made_by.rpartition(".")
    model = getattr(importlib.import_module(module), name)()
    model.load_model(str(folder / file))
    return _Booster(model) if made_by == "xgboost.core.Booster" else model


def _lightgbm(folder: Path, file: str, _: str) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(folder / file))


def _by_mlflow(folder: Path, _: str, __: str) -> Any:
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder))


class _Booster:
    """XGBoost's own model, which predicts from a matrix of its own."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, features: Any) -> Any:
        import xgboost

        return self.booster.predict(xgboost.DMatrix(features))


LOADERS: dict[str, Callable[[Path, str, str], Any]] = {
    "catboost": _own_format,
    "joblib": _joblib,
    "lightgbm": _lightgbm,
    "pickle": _pickled,
    "sklearn": _pickled,
    "skops": _skops,
    "xgboost": _own_format,
}


def _frame(rows: Sequence[Any], columns: Columns) -> Any:
    import pandas as pd

    names = [name for name, _ in columns]
    for number, row in enumerate(rows):
        if isinstance(row, Mapping) and (lacking := [name for name in names if name not in row]):
            raise BadRequest(f"instances[{number}]: {lacking[0]} is missing", f"columns are {', '.join(names)}")
        if not isinstance(row, Mapping) and len(row) != len(names):
            raise BadRequest(f"instances[{number}]: {len(row)} values", f"columns are {', '.join(names)}")
    table = [[row[name] for name in names] if isinstance(row, Mapping) else row for row in rows]
    frame = pd.DataFrame(table, columns=names)
    try:
        return frame.astype({name: TYPES[kind] for name, kind in columns if kind in TYPES})
    except (ValueError, TypeError) as error:
        raise BadRequest(f"the instances do not fit the columns: {' '.join(str(error).split())}") from None


def _array(rows: Sequence[Any], dtype: str) -> Any:
    import numpy as np

    try:
        return np.asarray([list(row.values()) if isinstance(row, Mapping) else row for row in rows], dtype or None)
    except (ValueError, TypeError) as error:
        raise BadRequest(f"the instances are no array: {error}") from None
