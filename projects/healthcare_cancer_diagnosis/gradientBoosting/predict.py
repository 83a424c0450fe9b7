"""Predicts the diagnosis by the gradientBoosting model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.models.binaries import load_model, served_model_name
from trainyard.models.predicting import classify, instances_of


def predict_cancer_diagnosis_gb(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Whether each tumour is benign or malignant, and the score of both."""
    model = load_model(served_model_name("cancer_diagnosis_gb"))
    return classify(model, instances_of(msg))
