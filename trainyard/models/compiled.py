"""Compiled models: an estimator as ONNX with its encoder beside it in one file, run by onnxruntime.

Neither pickle nor scikit-learn is needed, loading runs no code of the file's, and one row costs some 6 microseconds in
the estimator where scikit-learn takes 100 to 8,000. The encoder stays outside of the graph: it computes in float64, and
what it scaled in float32 would cross the thresholds of trees.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trainyard.errors import ModelUnavailable
from trainyard.models.encoders import Features
from trainyard.models.typed_encoder import encoder_from_json

METADATA = "trainyard"  # key of the file's metadata: task, labels, encoder
_ERRORS_ONLY = 3


class CompiledEstimator:
    """Stands in for the estimator that it was compiled from."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        # Requests are predicted side by side already; threads that spin between two of them cost every one of them.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._output = [self._session.get_outputs()[-1].name]

    @property
    def metadata(self) -> dict[str, Any]:
        """What ``trainyard.models.compiling`` wrote beside the graph."""
        found: dict[str, Any] = json.loads(self._session.get_modelmeta().custom_metadata_map[METADATA])
        return found

    def predict_proba(self, features: Features) -> NDArray[np.float32]:
        """Scores of shape ``(rows, labels)``."""
        return self._run(features)

    def predict(self, features: Features) -> NDArray[np.float32]:
        """Of a regression: one number per row."""
        return self._run(features).reshape(-1)

    def _run(self, features: Features) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._session.run(self._output, {self._input: features.astype(np.float32)})[0]
        return scores


def load_compiled(content: bytes) -> dict[str, Any]:
    """The bundle that ``trainyard.models.predicting`` takes: task, encoder, estimator, and labels where it has classes.

    Raises:
        ModelUnavailable: not a compiled model of ours, or of an onnxruntime newer than this one.
    """
    try:
        estimator = CompiledEstimator(content)
        facts = estimator.metadata
        bundle = {"task": facts["task"], "encoder": encoder_from_json(facts["encoder"]), "estimator": estimator}
    except Exception as error:  # noqa: BLE001 -- onnxruntime's errors have no common base
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ModelUnavailable(f"the compiled model cannot be loaded ({reason})", "train the model again") from None
    return bundle | ({"labels": facts["labels"]} if facts["labels"] is not None else {})
