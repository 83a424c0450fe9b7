"""Trains a logistic regression to predict income."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import LogisticRegression

from finance_income_prediction.common_utils.schema import SCHEMA
from trainyard.models.metrics import Metrics
from trainyard.models.scoring import score
from trainyard.models.splits import split
from trainyard.models.tables import Table, read_table
from trainyard.models.training import Job, fit_classifier, read_job, save

DEFAULTS = {"C": 1.0, "max_iter": 1000, "tol": 1e-5}


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = _rows(job)
    # A linear model needs numbers of one size: fnlwgt is in the hundred thousands, age in the tens.
    model = fit_classifier(LogisticRegression(**job.params), training, scale=True)
    return save(job, model, held_out)


def evaluate(msg: Mapping[str, Any]) -> Metrics:
    """Score the model of that name on the rows that its training holds out."""
    job = read_job(msg, DEFAULTS)
    return score(job, _rows(job)[1])


def _rows(job: Job) -> tuple[Table, Table]:
    """To train on, and held out."""
    return split(read_table(job.dataset, SCHEMA), part=job.part)
