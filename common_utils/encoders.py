"""Turns rows of mixed values into the array that an estimator takes: fitted once, stored with the model.

Predicting needs numpy alone. Everything that does not depend on the request (dictionaries from a category to its
feature, means, deviations) is prepared when the encoder is fitted, so that one row costs microseconds
(``bench/encoding.py`` prints the figures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trainyard.errors import BadRequest

Features = NDArray[np.float64]

# The types that JSON gives. Others (numpy's scalars, subclasses) take the slow path and are accepted there.
_NUMBERS = frozenset({int, float})
_TEXT = frozenset({str})
_ROWS = frozenset({list, tuple})


class _Lookup(dict[str, int]):
    """From a category to its feature; every one that is not there has the feature ``unseen``."""

    unseen = 0

    def __missing__(self, category: str) -> int:
        return self.unseen


class TabularEncoder:
    """Numbers as they are, or standardised; one feature per category, all zeros for a category never seen.

    Trees want ``scale=False``: it is of no use to them, and rounding a scaled value moves it across thresholds once
    a model is compiled to float32.
    """

    def __init__(self, columns: Sequence[str], categories: dict[str, tuple[str, ...]]) -> None:
        """Prefer ``fit``. ``categories`` holds the known values of each column that is text."""
        self.columns = tuple(columns)
        self.width = 0  # features per row
        self._numeric: list[int] = []  # positions in a row
        self._numeric_features: list[int] = []  # and where they go
        self._lookups: list[tuple[int, _Lookup]] = []  # position in a row, category -> feature
        for position, column in enumerate(self.columns):
            if column in categories:
                self._lookups.append((position, _Lookup((c, self.width + i) for i, c in enumerate(categories[column]))))
                self.width += len(categories[column])
            else:
                self._numeric.append(position)
                self._numeric_features.append(self.width)
                self.width += 1
        for _, lookup in self._lookups:
            lookup.unseen = self.width
        self._scaling: tuple[Features, Features] | None = None  # mean and deviation of each number
        # Of each number: position in a row, feature, mean, deviation.
        self._scaled = [
            (position, feature, 0.0, 1.0)
            for position, feature in zip(self._numeric, self._numeric_features, strict=True)
        ]

    @classmethod
    def fit(cls, rows: Sequence[Sequence[Any]], columns: Sequence[str], *, scale: bool) -> Self:
        """Learn the categories, and with ``scale`` the mean and deviation of each number, from training rows.

        A column whose first value is text is a category in every row.

        Raises:
            ValueError: no rows.
            BadRequest: a row of another width, or a value of another kind than the column's first.
        """
        if not rows:
            raise ValueError("an encoder needs at least one row")
        text = [(position, name) for position, name in enumerate(columns) if isinstance(rows[0][position], str)]
        # Sorted, since the order of a set of text changes from process to process.
        encoder = cls(columns, {name: tuple(sorted({str(row[position]) for row in rows})) for position, name in text})
        features = encoder.transform(rows)
        if scale:
            numbers = features[:, encoder._numeric_features]
            deviations = numbers.std(axis=0)
            encoder._scale_by(numbers.mean(axis=0), np.where(deviations > 0, deviations, 1.0))
        return encoder

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` makes an equal encoder of, down to the last bit of its numbers."""
        return {
            "columns": list(self.columns),
            "categories": {self.columns[position]: list(lookup) for position, lookup in self._lookups},
            "scaling": None if self._scaling is None else [numbers.tolist() for numbers in self._scaling],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The encoder that ``as_json`` described."""
        encoder = cls(value["columns"], {name: tuple(known) for name, known in value["categories"].items()})
        if value["scaling"] is not None:
            means, deviations = value["scaling"]
            encoder._scale_by(np.array(means), np.array(deviations))
        return encoder

    def transform(self, instances: Sequence[Sequence[Any]]) -> Features:
        """The features of ``instances``, an array of shape ``(rows, width)``.

        Raises:
            BadRequest: a row that is not a list or of the wrong length, text or null where a number belongs, a number
                where text belongs, NaN, infinity, a list or an object as a value; it names the row, counted from 0 as
                the server does, and the column.
        """
        self._check_rows(instances)
        if len(instances) == 1:
            return self._transform_one(instances)
        values = list(zip(*instances, strict=True)) or [()] * len(self.columns)
        # One feature more than there are: that of every category never seen. It is cut off in the end.
        features = np.zeros((len(instances), self.width + 1))
        if self._numeric:
            features[:, self._numeric_features] = self._numbers(instances, [values[p] for p in self._numeric])
        if self._lookups:
            seen = [self._seen(instances, values[p], lookup) for p, lookup in self._lookups]
            ones = np.array(seen, dtype=np.intp)
            ones += np.arange(0, features.size, self.width + 1)
            features.reshape(-1)[ones] = 1.0
        return features[:, :-1]

    def _transform_one(self, instances: Sequence[Sequence[Any]]) -> Features:
        """As for many rows, to the last bit. Arrays of one row cost more than what is computed with them."""
        (row,) = instances
        features = [0.0] * (self.width + 1)
        try:
            for position, feature, mean, deviation in self._scaled:
                value = row[position]
                if type(value) not in _NUMBERS or not math.isfinite(value):
                    self._check_values(instances)
                features[feature] = (value - mean) / deviation
            for position, lookup in self._lookups:
                feature = lookup[row[position]]
                if feature == lookup.unseen and type(row[position]) is not str:
                    self._check_values(instances)
                features[feature] = 1.0
        except (OverflowError, TypeError):  # a whole number beyond 1.8e308; a list or an object
            self._check_values(instances)
            raise
        return np.array((features[:-1],))

    def _scale_by(self, means: Features, deviations: Features) -> None:
        self._scaling = means, deviations
        self._scaled = list(
            zip(self._numeric, self._numeric_features, means.tolist(), deviations.tolist(), strict=True)
        )

    def _numbers(self, instances: Sequence[Sequence[Any]], columns: list[tuple[Any, ...]]) -> Features:
        if not _NUMBERS.issuperset(map(type, chain.from_iterable(columns))):
            self._check_values(instances)
        try:
            numbers = np.array(columns, dtype=np.float64)
        except OverflowError:  # a whole number beyond 1.8e308
            numbers = np.array([math.inf])
        if not np.isfinite(numbers).all():
            self._check_values(instances)
        if self._scaling is None:
            return numbers.T
        means, deviations = self._scaling
        scaled: Features = (numbers.T - means) / deviations
        return scaled

    def _seen(self, instances: Sequence[Sequence[Any]], column: tuple[Any, ...], lookup: _Lookup) -> list[int]:
        """The feature of each row's category."""
        try:
            found = list(map(lookup.__getitem__, column))
        except TypeError:  # a list or an object cannot be looked up
            self._check_values(instances)
            raise
        if lookup.unseen in found and not _TEXT.issuperset(map(type, column)):
            self._check_values(instances)
        return found

    def _check_rows(self, instances: Sequence[Sequence[Any]]) -> None:
        expected = len(self.columns)
        if _ROWS.issuperset(map(type, instances)) and {expected}.issuperset(map(len, instances)):
            return
        for number, row in enumerate(instances):
            if not isinstance(row, (list, tuple)):
                raise BadRequest(f"instances[{number}] is {_kind(row)}", f"send a list of {self._wanted()}")
            if len(row) != expected:
                raise BadRequest(f"instances[{number}] has {len(row)} value(s)", f"send {self._wanted()}")

    def _wanted(self) -> str:
        return f"{len(self.columns)} values: {', '.join(self.columns)}"

    def _check_values(self, instances: Sequence[Sequence[Any]]) -> None:
        """Find the first value of the wrong kind and name it; called only where the quick check failed."""
        text_positions = {position for position, _ in self._lookups}
        for number, row in enumerate(instances):
            for position, (column, value) in enumerate(zip(self.columns, row, strict=True)):
                wants_text = position in text_positions
                if not (isinstance(value, str) if wants_text else _is_finite_number(value)):
                    wanted = "text" if wants_text else "a finite number"
                    raise BadRequest(f"instances[{number}], column {column}: {_kind(value)} where {wanted} belongs")


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON; long text is cut."""
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**20):
        return f"the number {value}"
    if isinstance(value, int):
        return "a number too large"
    names = {list: "a list", tuple: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")
