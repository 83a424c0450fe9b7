"""Turns rows of mixed values into the array that an estimator takes: fitted once, stored with the model.

Predicting needs numpy alone. Everything that does not depend on the request (dictionaries from a category to its
feature, means, deviations) is prepared when the encoder is fitted, so that one row costs microseconds
(``bench/encoding.py`` prints the figures).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trainyard.contract import drift
from trainyard.contract.row_errors import is_finite_number, refuse_shape, refuse_values

Features = NDArray[np.float64]
Range = tuple[float, float, bool]  # the smallest and the largest number that training saw; all of them were whole

# The types that JSON gives. Others (numpy's scalars, subclasses) take the slow path and are accepted there.
_NUMBERS = frozenset({int, float})
_TEXT = frozenset({str})
_ROWS = frozenset({list, tuple})
# Of a column whose range is not known: every finite number is in it, infinity and NaN are not.
_ALL_FINITE: Range = (-sys.float_info.max, sys.float_info.max, False)
_WHOLE = 2**53  # above it, floats are whole without meaning it


class _Lookup(dict[str, int]):
    """From a category to its feature; every one that is not there has the feature ``unseen``."""

    unseen = 0

    def __missing__(self, category: str) -> int:
        """Blanks around a category do not count, as in a dataset."""
        stripped = category.strip() if isinstance(category, str) else category
        return self.unseen if stripped == category else self[stripped]


class TabularEncoder:
    """Numbers as they are, or standardised; one feature per category, all zeros for a category never seen.

    Trees want ``scale=False``: it is of no use to them, and rounding a scaled value moves it across thresholds once
    a model is compiled to float32.

    Numbers out of the range of the training, and categories that it never saw, are encoded and reported to
    ``trainyard.contract.drift``.
    """

    def __init__(self, columns: Sequence[str], categories: Mapping[str, tuple[str, ...]]) -> None:
        """Prefer ``fit``. ``categories`` holds the known values of each column that is text."""
        self.columns = tuple(columns)
        self.width = 0  # features per row
        self._numeric: list[int] = []  # positions in a row
        self._numeric_features: list[int] = []  # and where they go
        self._lookups: dict[int, _Lookup] = {}  # position in a row -> category -> feature
        for position, column in enumerate(self.columns):
            if column in categories:
                self._lookups[position] = _Lookup((c, self.width + i) for i, c in enumerate(categories[column]))
                self.width += len(categories[column])
            else:
                self._numeric.append(position)
                self._numeric_features.append(self.width)
                self.width += 1
        for lookup in self._lookups.values():
            lookup.unseen = self.width
        self._scaling: tuple[Features, Features] | None = None  # mean and deviation of each number
        self._ranges: dict[str, Range] = {}
        self._prepare()

    def _prepare(self) -> None:
        """What the quick paths read: made from scaling and ranges."""
        ranges = [self._ranges.get(self.columns[position], _ALL_FINITE) for position in self._numeric]
        lows, highs = [low for low, _, _ in ranges], [high for _, high, _ in ranges]
        # Of shape (numbers, 1): compared with a whole array of (numbers, rows).
        self._lows, self._highs = np.array(lows)[:, np.newaxis], np.array(highs)[:, np.newaxis]
        count = len(self._numeric)
        means, deviations = ([0.0] * count, [1.0] * count) if self._scaling is None else map(list, self._scaling)
        # Of each number: position in a row, feature, mean, deviation, range.
        self._scaled = [
            (position, feature, float(mean), float(deviation), low, high)
            for position, feature, mean, deviation, low, high in zip(
                self._numeric, self._numeric_features, means, deviations, lows, highs, strict=True
            )
        ]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle; an encoder of the time before there were ranges has none, and its lookups in a list."""
        self.__dict__.update({"_ranges": {}} | state, _lookups=dict(state["_lookups"]))
        self._prepare()

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
        numbers = encoder.transform(rows)[:, encoder._numeric_features]
        encoder._learn_ranges(numbers)
        if scale:
            deviations = numbers.std(axis=0)
            encoder._scaling = numbers.mean(axis=0), np.where(deviations > 0, deviations, 1.0)
        encoder._prepare()
        return encoder

    def _learn_ranges(self, numbers: Features) -> None:
        names = [self.columns[position] for position in self._numeric]
        lows, highs = numbers.min(axis=0).tolist(), numbers.max(axis=0).tolist()
        whole = ((numbers == np.floor(numbers)) & (np.abs(numbers) < _WHOLE)).all(axis=0).tolist()
        self._ranges = dict(zip(names, zip(lows, highs, whole, strict=True), strict=True))

    @property
    def feature_columns(self) -> list[str]:
        """The column that each feature is of."""
        found = [""] * self.width
        for position, feature in zip(self._numeric, self._numeric_features, strict=True):
            found[feature] = self.columns[position]
        for position, lookup in self._lookups.items():
            for feature in lookup.values():
                found[feature] = self.columns[position]
        return found

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` makes an equal encoder of, down to the last bit of its numbers."""
        return {
            "columns": list(self.columns),
            "categories": {self.columns[position]: list(lookup) for position, lookup in self._lookups.items()},
            "scaling": None if self._scaling is None else [numbers.tolist() for numbers in self._scaling],
            "ranges": {name: list(known) for name, known in self._ranges.items()},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The encoder that ``as_json`` described; ``ranges`` may be missing, as in models of an older kind."""
        encoder = cls(value["columns"], {name: tuple(known) for name, known in value["categories"].items()})
        if value["scaling"] is not None:
            means, deviations = value["scaling"]
            encoder._scaling = np.array(means), np.array(deviations)
        encoder._ranges = {name: (low, high, whole) for name, (low, high, whole) in value.get("ranges", {}).items()}
        encoder._prepare()
        return encoder

    def schema(self) -> dict[str, Any]:
        """``{"columns": [...]}``, one object for each: what the record of a model says of its rows.

        Of numbers ``minimum``, ``maximum`` and ``integer`` (training saw whole numbers only), of text ``categories``.
        """
        return {
            "columns": [
                {"name": name, "type": "category", "categories": sorted(self._lookups[position])}
                if position in self._lookups
                else {"name": name, "type": "number", **self._range_facts(name)}
                for position, name in enumerate(self.columns)
            ]
        }

    def _range_facts(self, column: str) -> dict[str, Any]:
        if column not in self._ranges:
            return {}
        low, high, whole = self._ranges[column]
        return {"minimum": int(low) if whole else low, "maximum": int(high) if whole else high, "integer": whole}

    def transform(self, instances: Sequence[Sequence[Any]]) -> Features:
        """The features of ``instances``, an array of shape ``(rows, width)``.

        Raises:
            BadRequest: a row that is not a list or of the wrong length, text or null where a number belongs, a number
                where text belongs, NaN, infinity, a list or an object as a value; it names the row, counted from 0 as
                the server does, and the column.
        """
        self._check_shape(instances)
        if drift.watchers:
            drift.encoded()
        if len(instances) == 1:
            return self._transform_one(instances)
        values = list(zip(*instances, strict=True)) or [()] * len(self.columns)
        drifted: list[tuple[int, int]] = []  # position in a row, number of values that training never saw
        # One feature more than there are: that of every category never seen. It is cut off in the end.
        features = np.zeros((len(instances), self.width + 1))
        if self._numeric:
            columns = [values[position] for position in self._numeric]
            features[:, self._numeric_features] = self._numbers(instances, columns, drifted)
        if self._lookups:
            seen = [self._seen(instances, position, values[position], drifted) for position in self._lookups]
            ones = np.array(seen, dtype=np.intp)
            ones += np.arange(0, features.size, self.width + 1)
            features.reshape(-1)[ones] = 1.0
        for position, count in drifted:
            drift.note(self.columns[position], count)
        return features[:, :-1]

    def _transform_one(self, instances: Sequence[Sequence[Any]]) -> Features:
        """As for many rows, to the last bit. Arrays of one row cost more than what is computed with them."""
        (row,) = instances
        features = [0.0] * (self.width + 1)
        drifted: list[int] = []
        try:
            for position, feature, mean, deviation, low, high in self._scaled:
                value = row[position]
                # Neither infinity nor NaN is in any range.
                if type(value) not in _NUMBERS or not low <= value <= high:
                    if not is_finite_number(value):
                        self._refuse_values(instances)
                    if not low <= value <= high:
                        drifted.append(position)
                features[feature] = (value - mean) / deviation
            for position, lookup in self._lookups.items():
                feature = lookup[row[position]]
                if feature == lookup.unseen:
                    if not isinstance(row[position], str):
                        self._refuse_values(instances)
                    drifted.append(position)
                features[feature] = 1.0
        except TypeError:  # a list or an object cannot be looked up
            self._refuse_values(instances)
            raise
        for position in drifted:
            drift.note(self.columns[position], 1)
        return np.array((features[:-1],))

    def _numbers(
        self, instances: Sequence[Sequence[Any]], columns: list[tuple[Any, ...]], drifted: list[tuple[int, int]]
    ) -> Features:
        """The features of the columns of numbers."""
        if not _NUMBERS.issuperset(map(type, chain.from_iterable(columns))):
            self._refuse_values(instances)
        try:
            numbers = np.array(columns, dtype=np.float64)
        except OverflowError:  # a whole number beyond 1.8e308
            self._refuse_values(instances)
            raise
        # Neither infinity nor NaN is in any range.
        if not ((numbers >= self._lows) & (numbers <= self._highs)).all():
            if not np.isfinite(numbers).all():
                self._refuse_values(instances)
            outside = ((numbers < self._lows) | (numbers > self._highs)).sum(axis=1).tolist()
            drifted += [pair for pair in zip(self._numeric, outside, strict=True) if pair[1]]
        if self._scaling is None:
            return numbers.T
        means, deviations = self._scaling
        scaled: Features = (numbers.T - means) / deviations
        return scaled

    def _seen(
        self, instances: Sequence[Sequence[Any]], position: int, column: tuple[Any, ...],
        drifted: list[tuple[int, int]],
    ) -> list[int]:  # fmt: skip
        """The feature of each row's category."""
        lookup = self._lookups[position]
        try:
            found = list(map(lookup.__getitem__, column))
        except TypeError:  # a list or an object cannot be looked up
            self._refuse_values(instances)
            raise
        if lookup.unseen in found:
            if not _TEXT.issuperset(map(type, column)):
                self._refuse_values(instances)
            drifted.append((position, found.count(lookup.unseen)))
        return found

    def _check_shape(self, instances: Sequence[Sequence[Any]]) -> None:
        quick = _ROWS.issuperset(map(type, instances)) and {len(self.columns)}.issuperset(map(len, instances))
        if not quick:
            refuse_shape(instances, self.columns)

    def _refuse_values(self, instances: Sequence[Sequence[Any]]) -> None:
        refuse_values(instances, self.columns, self._lookups)
