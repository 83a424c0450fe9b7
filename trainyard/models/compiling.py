"""Compiles a fitted model to ONNX, and keeps the result only where it predicts the same; for training only.

Exports that look right can be wrong (a scaled input in float32 crosses thresholds, a zero is read as missing), so each
is compared with the model that it was made from on rows that the model has not seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainyard.contract.records import Compiled
from trainyard.models.compiled import METADATA, load_compiled
from trainyard.models.nets import Net, to_onnx
from trainyard.models.predicting import CLASSIFICATION, OneThread

TOLERANCE = 1e-5  # of a score, absolute; of an estimate, relative to its size where that is above 1
OPSET = 18


def compile_model(model: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> Compiled:
    """The model as ONNX, if an export answers ``rows`` alike: every label the same, scores within TOLERANCE.

    ``facts`` say how many rows were compared and how far apart the scores were, or why there is no compiled form.
    """
    try:
        content = _export(model)
    except _NoConverter as error:
        return _refused(str(error))
    except ImportError as error:
        return _refused(f"{error.name} is not in requirements_train.txt")
    except Exception as error:  # noqa: BLE001 -- the converters' errors have no common base
        return _refused(f"no export: {type(error).__name__}: {error}".partition("\n")[0][:200])
    features = model["encoder"].transform(rows)
    compiled = load_compiled(content)["estimator"]
    if model["task"] == CLASSIFICATION:
        native, exported = model["estimator"].predict_proba(features), compiled.predict_proba(features)
        if native.shape != exported.shape:
            return _refused(f"the export has scores of shape {exported.shape}, not {native.shape}")
        differing = int((native.argmax(axis=1) != exported.argmax(axis=1)).sum())
        if differing:
            return _refused(f"the export labels {differing} of {len(rows)} rows differently")
        distance = float(np.abs(native - exported).max())
    else:
        native, exported = model["estimator"].predict(features), compiled.predict(features)
        distance = float((np.abs(native - exported) / np.maximum(1.0, np.abs(native))).max())
    if not distance <= TOLERANCE:
        return _refused(f"the export is off by {distance:.1e}")
    return Compiled(content, {"format": "onnx", "compared_rows": len(rows), "largest_difference": distance})


class _NoConverter(Exception):
    """There is none for a library, whatever is installed."""


def _refused(reason: str) -> Compiled:
    return Compiled(b"", {"refused": reason})


def _export(model: Mapping[str, Any]) -> bytes:
    """The estimator's ONNX file with everything else of the bundle in its metadata.

    Raises:
        Exception: whatever the converter of the estimator's library raises.
    """
    import onnx

    encoder, estimator = model["encoder"], model["estimator"]
    if isinstance(estimator, OneThread):
        estimator = estimator.estimator
    library = type(estimator).__module__.partition(".")[0]
    convert = to_onnx if isinstance(estimator, Net) else _CONVERTERS.get(library, _from_sklearn)
    exported = convert(estimator, encoder.width)
    _without_zip_map(exported)
    # Equal trainings give equal bytes: onnxmltools draws a name by lot, skl2onnx the order of operator sets.
    exported.graph.name = METADATA
    operator_sets = sorted(exported.opset_import, key=lambda entry: str(entry.domain))
    del exported.opset_import[:]
    exported.opset_import.extend(operator_sets)
    facts = {"task": model["task"], "labels": model.get("labels"), "encoder": encoder.as_json()}
    onnx.helper.set_model_props(exported, {METADATA: json.dumps(facts, sort_keys=True)})
    content: bytes = exported.SerializeToString(deterministic=True)
    return content


def _from_sklearn(estimator: Any, width: int) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    inputs = [("features", FloatTensorType([None, width]))]
    return to_onnx(estimator, initial_types=inputs, options=options, target_opset={"": OPSET, "ai.onnx.ml": 3})


def _from_xgboost(estimator: Any, width: int) -> Any:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    return convert_xgboost(estimator, initial_types=[("features", FloatTensorType([None, width]))], target_opset=15)


def _from_catboost(estimator: Any, _width: int) -> Any:
    import tempfile
    from pathlib import Path

    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        estimator.save_model(str(path), format="onnx")
        return onnx.load_model_from_string(path.read_bytes())


def _from_lightgbm(_estimator: Any, _width: int) -> Any:
    raise _NoConverter("models of LightGBM are served as they are")


_CONVERTERS = {"xgboost": _from_xgboost, "catboost": _from_catboost, "lightgbm": _from_lightgbm}


def _without_zip_map(exported: Any) -> None:
    """Let scores be an array, not a list of dicts: CatBoost's export ends in a node that makes those."""
    import onnx

    graph = exported.graph
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        for output in graph.output:
            if output.name == node.output[0]:
                scores = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, None)
                output.CopyFrom(scores)
        graph.node.remove(node)
