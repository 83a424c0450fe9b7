"""Predicts the progression of diabetes by the randomForest model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.models.binaries import load_model, served_model_name
from trainyard.models.predicting import estimate, instances_of


def predict_diabetes_progression_rf(msg: Mapping[str, Any]) -> dict[str, Any]:
    """How far the disease will have progressed in a year, from 25 (little) to 346 (much), for each patient."""
    model = load_model(served_model_name("diabetes_progression_rf"))
    return estimate(model, instances_of(msg))
