"""What a model's rows look like, as its training record says it: ``record["schema"]``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainyard import drift
from trainyard.errors import BadRequest
from trainyard.records import Record
from trainyard.row_errors import refuse_shape, refuse_values, wanted

_NUMBERS = frozenset({int, float})  # the types that JSON gives; others take the slow path
_TEXT = frozenset({str})
_ROWS = frozenset({list, tuple})
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Column:
    """One column: a number with the range that training saw, or text with the categories that it saw."""

    name: str
    is_number: bool
    minimum: float | None = None
    maximum: float | None = None
    is_integer: bool = False
    categories: tuple[str, ...] = ()

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.categories)

    def unseen(self, values: Sequence[Any]) -> int | None:
        """How many of these values training never saw; None: one of them is of the wrong kind, or may be."""
        try:
            return self._out_of_range(values) if self.is_number else self._unknown(values)
        except (OverflowError, TypeError):  # a whole number beyond 1.8e308; a list or an object
            return None

    def _out_of_range(self, values: Sequence[Any]) -> int | None:
        if not _NUMBERS.issuperset(map(type, values)) or not all(map(math.isfinite, values)):
            return None
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return 0 if low <= min(values) and max(values) <= high else sum(not low <= value <= high for value in values)

    def _unknown(self, values: Sequence[Any]) -> int | None:
        if self._known.issuperset(values):
            return 0
        if not _TEXT.issuperset(map(type, values)):
            return None
        return sum(value not in self._known for value in values)


@dataclass(frozen=True)
class Schema:
    """The columns of a model's rows, in their order."""

    columns: tuple[Column, ...]

    @classmethod
    def from_record(cls, record: Record) -> Schema | None:
        """The schema that a training record holds; None where it holds none, or one that is not understood."""
        found = record.get("schema")
        columns = found.get("columns") if isinstance(found, dict) else None
        if not isinstance(columns, list) or not columns:
            return None
        try:
            return cls(tuple(_column(entry) for entry in columns))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


def check_rows(schema: Schema, rows: Sequence[Any]) -> None:
    """Refuse rows that are not of the schema; note values that training never saw, which are allowed (``drift``).

    Column by column and in C where all is well, as the encoders of ``common_utils`` check the rows that they encode.

    Raises:
        BadRequest: a row of another width, a value of another type or not finite; it names row and column.
    """
    if not (_ROWS.issuperset(map(type, rows)) and {len(schema.columns)}.issuperset(map(len, rows))):
        refuse_shape(rows, schema.names)
    counts = [column.unseen(values) for column, values in zip(schema.columns, zip(*rows, strict=True), strict=True)]
    if None in counts:
        refuse_values(
            rows, schema.names, {place for place, column in enumerate(schema.columns) if not column.is_number}
        )
    for name, count in zip(schema.names, counts, strict=True):
        if count:
            drift.note(name, count)


def name_instance(number: int) -> str:
    """How a row of a JSON body is called."""
    return f"instances[{number}]"


def order_rows(
    schema: Schema, rows: Sequence[Mapping[str, Any]], name_row: Callable[[int], str] = name_instance
) -> list[list[Any]]:
    """Rows that are objects, as lists in the order of the schema's columns; ``name_row`` names one in an error.

    Raises:
        BadRequest: naming the columns that a row lacks, and those that it has and the schema has not.
    """
    names = schema.names
    expected = set(names)
    for number, row in enumerate(rows):
        if row.keys() != expected:
            raise BadRequest(f"{name_row(number)} {name_difference(row, names)}", f"send {wanted(names)}")
    return [[row[name] for name in names] for row in rows]


def name_difference(found: Iterable[str], names: Sequence[str]) -> str:
    """``has no column 'age'``, ``has the unknown column(s) 'aeg'``, or both."""
    known, given = set(names), set(found)
    missing = [name for name in names if name not in given]
    unknown = [name for name in found if name not in known]
    parts = [f"has no column {_listed(missing)}"] * bool(missing)
    parts += [f"has the unknown column(s) {_listed(unknown)}"] * bool(unknown)
    return " and ".join(parts)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:_NAMES_SHOWN])
    return f"{shown}, ..." if len(names) > _NAMES_SHOWN else shown


def _column(entry: dict[str, Any]) -> Column:
    """``{"name", "type": "number" | "category", "minimum", "maximum", "integer", "categories"}``."""
    return Column(
        name=str(entry["name"]),
        is_number=entry["type"] == "number",
        minimum=_number(entry.get("minimum")),
        maximum=_number(entry.get("maximum")),
        is_integer=bool(entry.get("integer")),
        categories=tuple(map(str, _list(entry.get("categories")))),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
