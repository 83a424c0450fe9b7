"""Splits a dataset into the rows to train on and the rows to measure on; the same seed gives the same split."""

from __future__ import annotations

from sklearn.model_selection import train_test_split

from common_utils.tables import Table
from trainyard.errors import TrainyardError


def split(table: Table, *, held_out: float = 0.2, seed: int = 7, stratify: bool = True) -> tuple[Table, Table]:
    """``(training rows, held-out rows)``; ``stratify`` keeps the share of each class equal in both.

    Raises:
        TrainyardError: too few rows, or a class with too few, to split.
    """
    try:
        training, measuring = train_test_split(
            range(len(table.rows)),
            test_size=held_out,
            random_state=seed,
            stratify=table.labels if stratify else None,
        )
    except ValueError as error:
        raise TrainyardError(
            f"{table.path}: cannot be split ({error})", "add rows, two of each class at least"
        ) from None
    return table.pick(training), table.pick(measuring)
