"""Trains a random forest of the progression of diabetes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import RandomForestRegressor

from healthcare_diabetes_progression.common_utils.schema import SCHEMA
from trainyard.models.metrics import Metrics
from trainyard.models.scoring import score
from trainyard.models.splits import split
from trainyard.models.tables import Table, read_table
from trainyard.models.training import Job, fit_regressor, read_job, save

DEFAULTS = {"n_estimators": 100, "max_features": 0.4, "min_samples_leaf": 4, "random_state": 7}
HELD_OUT = 0.3  # of a few hundred rows: with fewer to measure on, chance decides the metrics


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = _rows(job)
    model = fit_regressor(RandomForestRegressor(n_jobs=1, **job.params), training, scale=False)
    return save(job, model, held_out)


def evaluate(msg: Mapping[str, Any]) -> Metrics:
    """Score the model of that name on the rows that its training holds out."""
    job = read_job(msg, DEFAULTS)
    return score(job, _rows(job)[1])


def _rows(job: Job) -> tuple[Table, Table]:
    """To train on, and held out."""
    return split(read_table(job.dataset, SCHEMA), part=job.part, held_out=HELD_OUT, stratify=False)
