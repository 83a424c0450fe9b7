"""Trains a random forest to predict income."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import RandomForestClassifier

from common_utils.splits import split
from common_utils.tables import read_table
from common_utils.training import fit_classifier, read_job, save
from finance_income_prediction.common_utils.schema import SCHEMA

DEFAULTS = {"n_estimators": 60, "max_depth": 16, "min_samples_leaf": 3, "random_state": 7}


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = split(read_table(job.dataset, SCHEMA))
    model = fit_classifier(RandomForestClassifier(n_jobs=1, **job.params), training, scale=False)
    return save(job, model, held_out)
