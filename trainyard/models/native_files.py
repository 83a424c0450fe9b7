"""Models in the file format of their library, in place of a pickle: ``models/<name>.ubj``, ``.cbm`` or ``.txt``, and
``models/<name>.encoder.json`` with what comes before and after it.

Other programs can read the former, later versions of the library can, too, and neither runs code when it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainyard.contract.files import open_regular, write_whole
from trainyard.contract.missing_modules import to_add
from trainyard.contract.model_files import BINARY, ENCODER
from trainyard.contract.records import Record, binary_path, check_file, dump_record, read_record, reading, record_path
from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.models.predicting import CLASSIFICATION, OneThread
from trainyard.models.typed_encoder import encoder_from_json

SUFFIXES = {"xgboost": ".ubj", "catboost": ".cbm", "lightgbm": ".txt"}


def write_native(models: Path, model_name: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """Write both files; the model as they give it.

    Raises:
        TrainyardError: the estimator is of a library whose format is not known here.
    """
    estimator = model["estimator"].estimator if isinstance(model["estimator"], OneThread) else model["estimator"]
    library = type(estimator).__module__.partition(".")[0]
    if library not in SUFFIXES:
        raise TrainyardError(
            f"{type(estimator).__name__} has no file format of its own that is known here",
            f"save without native=True; formats of {', '.join(SUFFIXES)} are known",
        )
    facts = {"library": library, "task": model["task"], "labels": model.get("labels"),
             "encoder": model["encoder"].as_json()}  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"model{SUFFIXES[library]}"
        (estimator.booster_ if library == "lightgbm" else estimator).save_model(str(path))
        content = path.read_bytes()
    models.mkdir(exist_ok=True)
    write_whole(models / f"{model_name}{SUFFIXES[library]}", content)
    write_whole(models / f"{model_name}{ENCODER}", json.dumps(facts, sort_keys=True))
    return _bundle(facts, content)


def has_native(models: Path, model_name: str) -> bool:
    """Whether that is how the model was saved, says its record."""
    files = (read_record(binary_path(models, model_name)) or {}).get("files", {})
    return f"{model_name}{ENCODER}" in files and f"{model_name}{BINARY}" not in files


def write_native_record(models: Path, model_name: str, record: Record) -> None:
    """What is known of the model; who publishes the files adds their names."""
    write_whole(record_path(binary_path(models, model_name)), dump_record(record))


def read_native(models: Path, model_name: str) -> dict[str, Any]:
    """The bundle that ``trainyard.models.predicting`` takes.

    Raises:
        ModelUnavailable: a file is missing, or not the recorded one; or its library is not installed, or refuses it.
    """
    record = read_record(binary_path(models, model_name))
    facts = json.loads(_verified(models, f"{model_name}{ENCODER}", model_name, record))
    path = f"{model_name}{SUFFIXES[facts['library']]}"
    content = _verified(models, path, model_name, record)
    try:
        return _bundle(facts, content)
    except ImportError as error:
        fix = to_add(error.name or "it", "requirements_predict.txt")
        raise ModelUnavailable(f"{models / path}: needs {error.name or error}", fix) from None
    except Exception as error:  # noqa: BLE001 -- the libraries' errors have no common base
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ModelUnavailable(f"{models / path}: cannot be loaded ({reason})", "train the model again") from None


def _bundle(facts: Mapping[str, Any], content: bytes) -> dict[str, Any]:
    classifies = facts["task"] == CLASSIFICATION
    estimator = _READERS[facts["library"]](content, classifies)
    bundle = {"task": facts["task"], "encoder": encoder_from_json(facts["encoder"]), "estimator": estimator}
    return bundle | ({"labels": facts["labels"]} if classifies else {})


def _verified(models: Path, name: str, model_name: str, record: Record | None) -> bytes:
    try:
        with reading(), open_regular(models / name) as file:
            content = file.read()
    except OSError as error:
        raise ModelUnavailable(f"{models / name}: cannot be read ({error.strerror})", "run make train") from None
    if record is not None:
        check_file(models, name, model_name, hashlib.sha256(content).hexdigest(), record)
    return content


class _LightGbm:
    """A LightGBM file holds no estimator of scikit-learn's kind."""

    def __init__(self, content: bytes) -> None:
        from lightgbm import Booster

        self._booster = Booster(model_str=content.decode())

    def predict(self, features: Any) -> Any:
        return self._booster.predict(features, num_threads=1)

    def predict_proba(self, features: Any) -> Any:
        scores = self.predict(features)
        return scores if scores.ndim == 2 else np.column_stack([1.0 - scores, scores])


def _read_lightgbm(content: bytes, _classifies: bool) -> Any:
    return _LightGbm(content)


def _read_xgboost(content: bytes, classifies: bool) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    estimator = XGBClassifier() if classifies else XGBRegressor()
    estimator.load_model(bytearray(content))
    estimator.set_params(n_jobs=1)
    estimator.get_booster().set_param({"nthread": 1})
    return estimator


def _read_catboost(content: bytes, classifies: bool) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    estimator = CatBoostClassifier() if classifies else CatBoostRegressor()
    estimator.load_model(blob=content)
    return OneThread(estimator)


_READERS = {"xgboost": _read_xgboost, "catboost": _read_catboost, "lightgbm": _read_lightgbm}
