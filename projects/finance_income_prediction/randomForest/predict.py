"""Predicts income by the randomForest model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.models.binaries import load_model, served_model_name
from trainyard.models.predicting import classify, instances_of


def predict_adult_income_rf(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Whether each person earns more than 50,000 dollars a year: 0 or 1, and the score of both."""
    model = load_model(served_model_name("adult_income_rf"))
    return classify(model, instances_of(msg))
