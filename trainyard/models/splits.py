"""Splits a dataset into the rows to train on and the rows to measure on; the same seed gives the same split."""

from __future__ import annotations

from sklearn.model_selection import train_test_split

from trainyard.contract.data_parts import TEST, VALIDATION
from trainyard.errors import TrainyardError
from trainyard.models.tables import Table


def split(
    table: Table, *, part: str = TEST, held_out: float = 0.2, seed: int = 7, stratify: bool = True
) -> tuple[Table, Table]:
    """``(training rows, held-out rows)``; ``stratify`` keeps the share of each class equal in both.

    Args:
        table: the dataset.
        part: which part is held out. The validation part is taken from the training rows of the test part's split,
            so a training that measures on it sees no row of the test part.
        held_out: the share of all rows that a part has.
        seed: of the shuffle.
        stratify: for classes, not for quantities.

    Raises:
        TrainyardError: too few rows, or a class with too few, to split.
    """
    training, measuring = _split(table, held_out, seed, stratify)
    return _split(training, held_out / (1 - held_out), seed, stratify) if part == VALIDATION else (training, measuring)


def _split(table: Table, held_out: float, seed: int, stratify: bool) -> tuple[Table, Table]:
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
