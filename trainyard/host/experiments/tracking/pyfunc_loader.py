"""Loads a model of Trainyard for ``mlflow.pyfunc``. It is uploaded with each model, and imports nothing of Trainyard.

The binary is compared with the sha256 in its record before a byte is unpickled. Unpickling needs the modules that the
train function used: for the shipped models ``trainyard.models``.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any


class Loaded:
    """What ``mlflow.pyfunc.load_model`` asks."""

    def __init__(self, saved: Any) -> None:
        self._saved = saved

    def get_raw_model(self) -> Any:
        """What the train function had saved."""
        return self._saved

    def predict(self, rows: Any, params: dict[str, Any] | None = None) -> Any:
        """The predictions of an estimator, or of a bundle of ``trainyard.models.training``."""
        if hasattr(self._saved, "predict"):
            return self._saved.predict(rows)
        rows = rows.values.tolist() if hasattr(rows, "values") else [list(row) for row in rows]
        task = self._saved.get("task") if isinstance(self._saved, dict) else None
        if task is None:
            kind = type(self._saved).__name__
            raise TypeError(
                f"this model is a {kind}, which only its own predict.py understands: make predict serves it"
            )
        from trainyard.models import predicting

        predict = predicting.classify if task == predicting.CLASSIFICATION else predicting.estimate
        return predict(self._saved, rows)["predictions"]


class ModelFiles(dict[str, Path]):
    """The files of a model that is no pickle, by their names in ``models/``."""


def _load_pyfunc(path: str) -> Loaded:
    given = Path(path)
    if given.suffix == ".json":
        return Loaded(_files(given))
    content = given.read_bytes()
    record = json.loads(_record_beside(given).read_bytes())
    _compare(path, content, record["sha256"])
    try:
        import joblib
    except ImportError:  # then nothing but pickle can have written it
        import pickle

        return Loaded(pickle.loads(content))  # noqa: S301 -- verified just now
    return Loaded(joblib.load(io.BytesIO(content)))


def _record_beside(binary: Path) -> Path:
    other = binary.with_suffix(".record.json")
    return other if other.exists() else binary.with_suffix(".json")


def _files(record: Path) -> ModelFiles:
    named = json.loads(record.read_bytes())["files"]
    for name, sha256 in named.items():
        _compare(str(record.parent / name), (record.parent / name).read_bytes(), sha256)
    return ModelFiles({name: record.parent / name for name in named})


def _compare(path: str, content: bytes, sha256: str) -> None:
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ValueError(f"{path}: corrupt, sha256 {actual[:12]} is not the recorded {sha256[:12]}")
