"""Predicts the progression of diabetes by the ridge model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.models.binaries import load_model, served_model_name
from trainyard.models.predicting import estimate, instances_of


def predict_diabetes_progression_ridge(msg: Mapping[str, Any]) -> dict[str, Any]:
    """How far the disease will have progressed in a year, from 25 (little) to 346 (much), for each patient."""
    model = load_model(served_model_name("diabetes_progression_ridge"))
    return estimate(model, instances_of(msg))
