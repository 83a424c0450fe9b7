"""Trains a logistic regression to tell malignant tumours from benign ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import LogisticRegression

from common_utils.splits import split
from common_utils.tables import read_table
from common_utils.training import fit_classifier, read_job, save
from healthcare_cancer_diagnosis.common_utils.schema import SCHEMA

DEFAULTS = {"C": 0.5, "max_iter": 1000}
HELD_OUT = 0.3  # of a few hundred rows: with fewer to measure on, chance decides the metrics


def train(msg: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the dataset that the message names; its ``params`` override ``DEFAULTS``."""
    job = read_job(msg, DEFAULTS)
    training, held_out = split(read_table(job.dataset, SCHEMA), held_out=HELD_OUT)
    # The thirty measurements range from 0.001 to 4,000: a linear model needs them of one size.
    model = fit_classifier(LogisticRegression(**job.params), training, scale=True)
    return save(job, model, held_out)
