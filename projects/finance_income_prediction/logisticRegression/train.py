"""Trains a logistic regression to predict income."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import LogisticRegression

from common_utils.splits import split
from common_utils.tables import read_table
from common_utils.training import fit_classifier, read_job, save
from finance_income_prediction.common_utils.schema import SCHEMA

DEFAULTS = {"C": 1.0, "max_iter": 1000, "tol": 1e-5}


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = split(read_table(job.dataset, SCHEMA))
    # A linear model needs numbers of one size: fnlwgt is in the hundred thousands, age in the tens.
    model = fit_classifier(LogisticRegression(**job.params), training, scale=True)
    return save(job, model, held_out)
