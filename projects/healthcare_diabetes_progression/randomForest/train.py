"""Trains a random forest of the progression of diabetes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import RandomForestRegressor

from common_utils.splits import split
from common_utils.tables import read_table
from common_utils.training import fit_regressor, read_job, save
from healthcare_diabetes_progression.common_utils.schema import SCHEMA

DEFAULTS = {"n_estimators": 100, "max_features": 0.4, "min_samples_leaf": 4, "random_state": 7}
HELD_OUT = 0.3  # of a few hundred rows: with fewer to measure on, chance decides the metrics


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = split(read_table(job.dataset, SCHEMA), held_out=HELD_OUT, stratify=False)
    model = fit_regressor(RandomForestRegressor(n_jobs=1, **job.params), training, scale=False)
    return save(job, model, held_out)
