"""Whether a predict function answers row by row, found out with its sample; and how a joint answer is taken apart."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

TRIED_ROWS = 3
PATIENCE = 0.5  # seconds
# Sums are made in another order for several rows than for one.
TOLERANCE = 1e-6

Predict = Callable[[list[Any]], dict[str, Any]]


def find_row_keys(predict: Predict, rows: Sequence[Any]) -> frozenset[str]:
    """The keys of the result that hold one item per row; empty where the function is not row-wise.

    It is row-wise where the answer to several rows is the answers to each of them one after another, and everything
    else in it (labels, a threshold) is the same for all. Whatever ``predict`` raises makes it not row-wise, and so does
    taking longer than ``PATIENCE``, since a server shall start.
    """
    # Never the same backwards, as far as the rows differ.
    tried = [copy.deepcopy(row) for row in [*[rows[0]] * (TRIED_ROWS - len(rows)), *rows[:TRIED_ROWS]]]
    try:
        started = time.monotonic()
        joint = predict(copy.deepcopy(tried))
        single = []
        for row in tried:
            if time.monotonic() - started > PATIENCE:
                return frozenset()
            single.append(predict([row]))
    except Exception:  # noqa: BLE001 -- a function that refuses one of these is predicted as it is asked
        return frozenset()
    if any(answer.keys() != joint.keys() for answer in single):
        return frozenset()
    per_row = frozenset(key for key in joint if _is_per_row(joint[key], [answer[key] for answer in single]))
    others = joint.keys() - per_row
    if any(not _same(joint[key], answer[key], 0) for key in others for answer in single):
        return frozenset()
    return per_row


def split(result: Mapping[str, Any], row_keys: frozenset[str], sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The answers to requests of ``sizes`` rows each, in order.

    Raises:
        ValueError: the result has not one item per row.
    """
    total = sum(sizes)
    for key in row_keys:
        if len(result[key]) != total:
            raise ValueError(f"{key} has {len(result[key])} items for {total} rows")
    start = 0
    for size in sizes:
        end = start + size
        yield {key: value[start:end] if key in row_keys else value for key, value in result.items()}
        start = end


def _is_per_row(joint: Any, single: list[Any]) -> bool:
    if not _is_list(joint) or len(joint) != len(single):
        return False
    return all(
        _is_list(value) and len(value) == 1 and _same(item, value[0], TOLERANCE)
        for item, value in zip(joint, single, strict=True)
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0)


def _same(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two values are equal, numbers up to ``tolerance``, absolute and relative; NaN is like NaN."""
    one, other = (value.tolist() if hasattr(value, "tolist") else value for value in (one, other))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, float) and isinstance(other, float):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return type(one) is type(other) and bool(one == other)
