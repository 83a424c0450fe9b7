"""Encodes rows that have missing values, dates, free text, or true and false: each column becomes plain numbers and
categories, which ``trainyard.models.encoders`` takes.

A missing number, date or truth value becomes the median of those that training saw, and a feature of its own says that
it was missing. A missing category is a category of its own. A date is its days since 1970. Of free text there is a
feature for each of its most frequent words.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from trainyard.contract import drift
from trainyard.contract.columns import (
    BOOLEAN,
    CATEGORY,
    DATE,
    NUMBER,
    TEXT,
    Column,
    column_from_json,
    days_of,
    text_of_days,
)
from trainyard.contract.row_errors import refuse_shape
from trainyard.contract.schema import name_instance, refuse_value
from trainyard.models.encoders import Features, TabularEncoder

MISSING = ""  # the category of a missing one; blank text is never a category where one may be missing
MOST_WORDS = 200  # of one column that have a feature
LEAST_TEXTS = 2  # that a word has to be in
_WORD = re.compile(r"\w+")
_ROWS = frozenset({list, tuple})


@dataclass(frozen=True)
class _Part:
    """How one column becomes plain ones. ``fill`` stands for a missing value; ``words`` have a feature each."""

    column: Column
    fill: float = 0.0
    words: tuple[str, ...] = ()

    @property
    def has_mark(self) -> bool:
        """Whether a column says which values are missing."""
        return self.column.nullable and self.column.kind in (NUMBER, DATE, BOOLEAN)

    @property
    def names(self) -> list[str]:
        """Of the plain columns."""
        if self.column.kind == TEXT:
            return []
        return [self.column.name, f"{self.column.name} is missing"][: 1 + self.has_mark]

    def plain(self, values: Sequence[Any]) -> list[Sequence[Any]]:
        """The plain columns of clean ``values``."""
        kind = self.column.kind
        if kind == TEXT:
            return []
        if kind == CATEGORY:
            return [[MISSING if value is None else value for value in values] if self.column.nullable else values]
        numbers = [_number(kind, value, self.fill) for value in values]
        return [numbers, [1.0 if value is None else 0.0 for value in values]] if self.has_mark else [numbers]

    def marks(self, values: Sequence[Any]) -> Features:
        """Of text: which of the words are in each; of shape ``(rows, words)``."""
        place = {word: number for number, word in enumerate(self.words)}
        found = np.zeros((len(values), len(self.words)))
        for row, value in enumerate(values):
            for word in set(_words(value)) & place.keys():
                found[row, place[word]] = 1.0
        return found

    def as_json(self) -> dict[str, Any]:
        """For ``from_json``; without what the plain encoder knows."""
        column = self.column
        return {"name": column.name, "type": column.kind, "nullable": column.nullable, "fill": self.fill,
                "words": list(self.words)}  # fmt: skip


class TypedEncoder:
    """Has the methods of ``TabularEncoder``, and is fitted and stored like it."""

    def __init__(self, parts: Sequence[_Part], inner: TabularEncoder) -> None:
        """Prefer ``fit``. ``inner`` encodes the plain columns of ``parts``."""
        self._parts = tuple(parts)
        self._inner = inner
        self.columns = tuple(part.column.name for part in parts)
        self.width = inner.width + sum(len(part.words) for part in parts)

    @classmethod
    def fit(cls, rows: Sequence[Sequence[Any]], columns: Sequence[str], kinds: Sequence[str], *, scale: bool) -> Self:
        """Learn from training rows of clean values; ``kinds``: of ``trainyard.contract.columns``, one a column.

        Raises:
            ValueError: no rows.
        """
        by_column = list(zip(*rows, strict=True))
        parts = [_fit_part(*described) for described in zip(columns, kinds, by_column, strict=True)]
        inner = TabularEncoder.fit(_plain_rows(parts, by_column), _plain_names(parts), scale=scale)
        return cls(parts, inner)

    @property
    def feature_columns(self) -> list[str]:
        """The column that each feature is of."""
        owners = {name: part.column.name for part in self._parts for name in part.names}
        plain = [owners[name] for name in self._inner.feature_columns]
        return plain + [part.column.name for part in self._parts for _ in part.words]

    def transform(self, instances: Sequence[Sequence[Any]]) -> Features:
        """The features of ``instances``, an array of shape ``(rows, width)``.

        Raises:
            BadRequest: as ``TabularEncoder.transform``; missing values only where training had none.
        """
        if not (_ROWS.issuperset(map(type, instances)) and {len(self.columns)}.issuperset(map(len, instances))):
            refuse_shape(instances, self.columns)
        if drift.watchers:
            drift.encoded()
        values: list[Sequence[Any]] = [*zip(*instances, strict=True)] or [()] * len(self.columns)
        for place, part in enumerate(self._parts):
            if part.column.unseen(values[place]) is None:
                values[place] = _cleaned(part.column, values[place])
        plain = self._inner.transform(_plain_rows(self._parts, values))
        texts = [part.marks(values[place]) for place, part in enumerate(self._parts) if part.words]
        return np.hstack([plain, *texts]) if texts else plain

    def schema(self) -> dict[str, Any]:
        """As ``TabularEncoder.schema``, with the types and which columns may have missing values."""
        known = {entry["name"]: entry for entry in self._inner.schema()["columns"]}
        return {"columns": [_described(part.column, known.get(part.column.name, {})) for part in self._parts]}

    def as_json(self) -> dict[str, Any]:
        """The encoder as JSON can say it; ``encoder_from_json`` makes one of it that encodes alike."""
        return {"parts": [part.as_json() for part in self._parts], "plain": self._inner.as_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The encoder that ``as_json`` described."""
        parts = [_Part(column_from_json(one), one["fill"], tuple(one["words"])) for one in value["parts"]]
        return cls(parts, TabularEncoder.from_json(value["plain"]))


Encoder = TabularEncoder | TypedEncoder


def fit_encoder(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], kinds: Sequence[str] = (), *, scale: bool
) -> Encoder:
    """The encoder for rows of such columns: the plain one, unless something in them needs the other.

    ``kinds``: of ``trainyard.contract.columns``; by default a column is what its values are.
    """
    kinds = kinds or [_kind(values) for values in zip(*rows, strict=True)]
    if {NUMBER, CATEGORY}.issuperset(kinds) and not any(None in row for row in rows):
        return TabularEncoder.fit(rows, columns, scale=scale)
    return TypedEncoder.fit(rows, columns, kinds, scale=scale)


def encoder_from_json(value: dict[str, Any]) -> Encoder:
    """The encoder that its ``as_json`` described."""
    return TypedEncoder.from_json(value) if "parts" in value else TabularEncoder.from_json(value)


def _kind(values: Sequence[Any]) -> str:
    first = next((value for value in values if value is not None), None)
    return BOOLEAN if isinstance(first, bool) else CATEGORY if isinstance(first, str) else NUMBER


def _fit_part(name: str, kind: str, values: Sequence[Any]) -> _Part:
    column = Column(name, kind, nullable=None in values)
    present = [value for value in values if value is not None]
    if kind == TEXT:
        return _Part(column, words=_frequent(present))
    if kind == CATEGORY or not present:
        return _Part(column)
    return _Part(column, statistics.median_low([_number(kind, value, 0.0) for value in present]))


def _frequent(texts: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(word for text in texts for word in set(_words(text)))
    frequent = [word for word, count in counts.items() if count >= LEAST_TEXTS]
    return tuple(sorted(sorted(frequent, key=lambda word: (-counts[word], word))[:MOST_WORDS]))


def _words(text: str | None) -> list[str]:
    return _WORD.findall(text.lower()) if text else []


def _number(kind: str, value: Any, fill: float) -> float | int:
    if value is None:
        return fill
    if kind == DATE:
        return days_of(value)
    return float(value) if kind == BOOLEAN else value


def _plain_names(parts: Sequence[_Part]) -> list[str]:
    return [name for part in parts for name in part.names]


def _plain_rows(parts: Sequence[_Part], values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    plain = [column for part, own in zip(parts, values, strict=True) for column in part.plain(own)]
    return list(zip(*plain, strict=True)) if plain else [()] * len(values[0] if values else ())


def _cleaned(column: Column, values: Sequence[Any]) -> list[Any]:
    cleaned = []
    for number, value in enumerate(values):
        try:
            cleaned.append(column.clean(value))
        except ValueError:
            refuse_value(name_instance(number), column, value)
    return cleaned


def _described(column: Column, plain: dict[str, Any]) -> dict[str, Any]:
    """The entry of the schema; ``plain``: what the plain encoder says of the column of that name."""
    entry: dict[str, Any] = {"name": column.name, "type": column.kind}
    if column.kind == CATEGORY:
        entry["categories"] = [category for category in plain["categories"] if not (column.nullable and not category)]
    elif column.kind == NUMBER:
        entry |= {key: value for key, value in plain.items() if key in ("minimum", "maximum", "integer")}
    elif column.kind == DATE and "minimum" in plain:
        entry |= {key: text_of_days(plain[key]) for key in ("minimum", "maximum")}
    return entry | ({"nullable": True} if column.nullable else {})
