"""Predicts the cultivar by the extraTrees model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.models.binaries import load_model, served_model_name
from trainyard.models.predicting import classify, instances_of


def predict_wine_cultivar_et(msg: Mapping[str, Any]) -> dict[str, Any]:
    """The cultivar of each wine, class_0 to class_2, and the score of each cultivar."""
    model = load_model(served_model_name("wine_cultivar_et"))
    return classify(model, instances_of(msg))
