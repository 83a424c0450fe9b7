"""Prints what a prediction costs outside the estimator: ``python bench/encoding.py``.

The census-income columns (six numbers, eight categories, 105 features), medians of many calls, microseconds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "projects")]

from finance_income_prediction.common_utils.schema import SCHEMA  # noqa: E402 -- needs the path above
from trainyard.models.encoders import TabularEncoder  # noqa: E402
from trainyard.models.predicting import classify, instances_of  # noqa: E402
from trainyard.models.tables import read_table  # noqa: E402

DATASET = ROOT / "projects/finance_income_prediction/data/adult_income-prepped.csv"


class FreeEstimator:
    """Answers at once, so that only what surrounds an estimator is timed."""

    def predict_proba(self, features: Any) -> Any:
        """Even scores of two classes."""
        return np.full((len(features), 2), 0.5)


def median_us(call: Callable[[], object], seconds: float = 0.5) -> float:
    """The median time of ``call``, in microseconds, over about ``seconds``."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def main() -> None:
    """Print one line per number of rows."""
    table = read_table(DATASET, SCHEMA)
    print(f"{'rows':>6} {'encode, us':>12} {'scaled, us':>12} {'whole frame, us':>16} {'frame per row':>14}")
    encoders = {scale: TabularEncoder.fit(table.rows, table.columns, scale=scale) for scale in (False, True)}
    model = {"encoder": encoders[False], "estimator": FreeEstimator(), "labels": [0, 1]}
    for count in (1, 10, 100, 1_000, 10_000):
        rows = table.rows[:count]
        message = {"payload": {"instances": rows}}
        plain, scaled, frame = (
            median_us(lambda: encoders[False].transform(rows)),  # noqa: B023 -- called at once
            median_us(lambda: encoders[True].transform(rows)),  # noqa: B023
            median_us(lambda: classify(model, instances_of(message))),  # noqa: B023
        )
        print(f"{count:>6} {plain:>12.1f} {scaled:>12.1f} {frame:>16.1f} {frame / count:>14.2f}")


if __name__ == "__main__":
    main()
