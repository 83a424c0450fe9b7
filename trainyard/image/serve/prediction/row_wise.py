"""Whether a predict function answers row by row, found out with its sample; which requests may share a call for that;
and how a joint answer is taken apart.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainyard.contract.columns import DATE, TEXT
from trainyard.contract.schema import Schema
from trainyard.image.serve.prediction.proof_rows import Proof, Row, proofs

LOG = logging.getLogger("trainyard.serve")
PATIENCE = 1.0  # seconds
# Sums are made in another order for several rows than for one.
TOLERANCE = 1e-6
# Beyond it a whole number is not a float's equal, and beyond 2**63 pandas makes objects of a column.
_LARGEST_WHOLE = 2**53

Predict = Callable[[list[Any]], dict[str, Any]]


@dataclass(frozen=True)
class _Shared:
    """What one column of rows that share a call may hold: values of the types that were tried together. ``texts``: of
    text only these, as the schema or the sample has them; None: any. ``any_whole``: whole numbers of any size."""

    types: frozenset[type]
    texts: frozenset[str | None] | None
    any_whole: bool

    def admits(self, values: Sequence[Any]) -> bool:
        if not self.types.issuperset(map(type, values)):
            return False
        if self.texts is not None and not self.texts.issuperset(values):
            return False
        if self.any_whole:
            return True
        wholes = [value for value in values if type(value) is int] if int in self.types else ()
        return not wholes or (max(wholes) <= _LARGEST_WHOLE and min(wholes) >= -_LARGEST_WHOLE)


@dataclass(frozen=True)
class Sharing:
    """What requests may share a call: those whose rows are like rows that were predicted together, and answered alike.

    ``row_keys``: of the answer, what holds one item a row. ``keys``: of rows that are objects, in their order.
    ``columns``: None where the function checks its rows by an encoder of ours, and answers whatever that takes row by
    row. What the encoder refuses, the joint call raises for, and each request is then predicted alone.
    """

    row_keys: frozenset[str]
    keys: tuple[str, ...] | None
    columns: tuple[_Shared, ...] | None

    @property
    def admits_all(self) -> bool:
        """Whether any rows may be predicted by one call."""
        return self.columns is None

    def admits(self, rows: Sequence[Any]) -> bool:
        """Whether ``rows``, of several requests, may be predicted by one call."""
        if self.columns is None:
            return True
        if self.keys is None:
            if not ({list}.issuperset(map(type, rows)) and {len(self.columns)}.issuperset(map(len, rows))):
                return False
            cells: Sequence[Any] = rows
        else:
            if any(type(row) is not dict or tuple(row) != self.keys for row in rows):
                return False
            cells = [row.values() for row in rows]
        try:
            return all(
                column.admits(values) for column, values in zip(self.columns, zip(*cells, strict=True), strict=True)
            )
        except TypeError:  # a list or an object cannot be looked up
            return False


def find_sharing(
    predict: Predict, sample: Sequence[Row], schema: Schema | None = None, *, encodes: bool = False
) -> Sharing | None:
    """What requests may share a call of ``predict``; None where none may.

    ``encodes``: it checks its rows by an encoder of ``trainyard.models``.

    The function has to be row-wise: the answer to several rows is the answers to each of them one after another, and
    everything else in it (labels, a threshold) is the same for all. Whatever goes wrong makes it not row-wise, and so
    does taking longer than ``PATIENCE``, since a server shall start.
    """
    deadline = time.monotonic() + PATIENCE
    try:
        for proof in proofs(sample, schema):
            if row_keys := _row_keys(predict, proof.rows, deadline):
                if encodes and proof.has_strange:
                    return Sharing(row_keys, None, None)
                return _sharing(proof, row_keys, schema)
    except Exception as error:  # noqa: BLE001 -- of the user's function, or of an answer that cannot be compared
        LOG.debug("not predicted together after %r", error)
    return None


def _sharing(proof: Proof, row_keys: frozenset[str], schema: Schema | None) -> Sharing:
    rows = proof.rows
    keys = tuple(rows[0]) if isinstance(rows[0], dict) else None
    cells = [list(row.values()) if isinstance(row, dict) else row for row in rows]
    known = schema.columns if schema and keys is None else (None,) * len(cells[0])
    columns = []
    for column, values in zip(known, zip(*cells, strict=True), strict=True):
        types = frozenset(map(type, values))
        any_text = str not in types or proof.has_strange or (column is not None and column.kind in (TEXT, DATE))
        texts = None if any_text else {*(column.categories if column else ()), *values}
        columns.append(_Shared(types, None if texts is None else frozenset(texts), proof.has_strange))
    return Sharing(row_keys, keys, tuple(columns))


def _row_keys(predict: Predict, rows: Sequence[Row], deadline: float) -> frozenset[str]:
    """The keys of the result that hold one item per row; empty where the function is not row-wise for these rows."""
    try:
        joint = predict(copy.deepcopy(list(rows)))
        single = []
        for row in rows:
            if time.monotonic() > deadline:
                return frozenset()
            single.append(predict([copy.deepcopy(row)]))
    except Exception as error:  # noqa: BLE001 -- a function that refuses one of these may take others
        LOG.debug("not predicted together after %r", error)
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
