"""Scores a trained model on the rows that its training held out: what a train module's ``evaluate`` does."""

from __future__ import annotations

from trainyard.models.binaries import load_model
from trainyard.models.metrics import Metrics
from trainyard.models.tables import Table
from trainyard.models.training import Job, measure


def score(job: Job, held_out: Table) -> Metrics:
    """The metrics of ``models/<job.model_name>.pkl``, or of its compiled form: of what would be served.

    Raises:
        ModelUnavailable: no such binary, or not one that loads here.
    """
    return measure(load_model(job.model_name), held_out)
