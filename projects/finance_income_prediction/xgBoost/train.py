"""Trains gradient-boosted trees by XGBoost to predict income."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xgboost import XGBClassifier

from finance_income_prediction.common_utils.schema import SCHEMA
from trainyard.models.metrics import Metrics
from trainyard.models.scoring import score
from trainyard.models.splits import split
from trainyard.models.tables import Table, read_table
from trainyard.models.training import Job, fit_classifier, read_job, save

DEFAULTS = {"n_estimators": 150, "max_depth": 4, "learning_rate": 0.1, "subsample": 0.8, "random_state": 7}


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = _rows(job)
    # One thread: the histograms of several are added in an order that changes from run to run.
    model = fit_classifier(XGBClassifier(n_jobs=1, **job.params), training, scale=False, held_out=held_out)
    return save(job, model, held_out)


def evaluate(msg: Mapping[str, Any]) -> Metrics:
    """Score the model of that name on the rows that its training holds out."""
    job = read_job(msg, DEFAULTS)
    return score(job, _rows(job)[1])


def _rows(job: Job) -> tuple[Table, Table]:
    """To train on, and held out."""
    return split(read_table(job.dataset, SCHEMA), part=job.part)
