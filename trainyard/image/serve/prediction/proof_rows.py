"""Rows by which a predict function shows whether it answers row by row: the sample's, and others made of it.

A sample of one row, or of rows that are alike, would prove nothing: a function that divides by the largest value of its
request answers copies of one row alike. So rows are made that differ in every column, from what the schema knows, else
from the sample's own values.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, Column, text_of_days
from trainyard.contract.schema import Schema

SAMPLE_ROWS = 2  # of the sample that are tried
MADE_ROWS = 3
_SCALARS = frozenset({int, float, str, bool, type(None)})

Row = list[Any] | dict[str, Any]


class Proof(NamedTuple):
    """Rows to try; ``has_strange``: there are values among them that training never saw."""

    rows: list[Row]
    has_strange: bool = False


def proofs(sample: Sequence[Row], schema: Schema | None) -> Iterator[Proof]:
    """What to try, that which would prove most first: whole and fractional numbers in one column with missing values,
    and where there is a schema with values that training never saw; then without the latter, without the missing ones,
    and with numbers as the sample writes them.

    None where the rows hold lists or objects: nobody knows how these would have to differ.
    """
    rows = [copy.deepcopy(row) for row in sample[:SAMPLE_ROWS]]
    cells = [list(row.values()) if isinstance(row, dict) else row for row in rows]
    if not {len(cells[0])}.issuperset(map(len, cells)) or not cells[0]:
        return
    if not all(_SCALARS.issuperset(map(type, row)) for row in cells):
        return
    columns = schema.columns if schema and len(schema.columns) == len(cells[0]) else (None,) * len(cells[0])
    candidates = [_candidates(*pair) for pair in zip(columns, map(list, zip(*cells, strict=True)), strict=True)]
    made = [
        [values[(number + place) % len(values)] for place, values in enumerate(candidates)]
        for number in range(MADE_ROWS)
    ]
    mixed = [_otherwise_written(row) if number % 2 else row for number, row in enumerate(made)]
    nullable = [bool(column and column.nullable) for column in columns]
    blank = [[None if may_be else value for may_be, value in zip(nullable, made[0], strict=True)]] * any(nullable)
    if schema:
        strange = [_strange(*pair) for pair in zip(columns, made[0], strict=True)]
        yield Proof(_as(rows[0], [*cells, *mixed, *blank, strange]), has_strange=True)
    if blank:
        yield Proof(_as(rows[0], [*cells, *mixed, *blank]))
    yield Proof(_as(rows[0], [*cells, *mixed]))
    yield Proof(_as(rows[0], [*cells, *made]))


def _as(like: Row, cells: Sequence[list[Any]]) -> list[Row]:
    """Rows of these cells, objects where ``like`` is one."""
    return [dict(zip(like, row, strict=True)) if isinstance(like, dict) else list(row) for row in cells]


def _candidates(column: Column | None, sample: list[Any]) -> list[Any]:
    """Values that a column may have; those of the sample first."""
    known = list(dict.fromkeys(sample))
    if column is None:
        return [*known, *_altered(known)]
    if column.kind == CATEGORY:
        return list(dict.fromkeys([*known, *column.categories[:MADE_ROWS]]))
    if column.kind == BOOLEAN:
        return [True, False]
    bounds = [bound for bound in (column.minimum, column.maximum) if bound is not None]
    if column.kind == DATE:
        return list(dict.fromkeys([*known, *map(text_of_days, bounds)]))
    if column.kind == NUMBER and bounds:
        return [*known, *(int(bound) if column.is_integer else bound for bound in bounds)]
    return [*known, *_altered(known)]


def _strange(column: Column | None, value: Any) -> Any:
    """A value that training never saw, of the column's kind: a category, or a number that no float is equal to."""
    if column and column.kind == CATEGORY:
        return "a value that training never saw"
    return 2**60 + 1 if column and column.kind == NUMBER else value


def _altered(values: Sequence[Any]) -> list[Any]:
    """Numbers near these, since functions may refuse others; text is left alone."""
    numbers = [value for value in values if type(value) in (int, float)]
    return [value + value // 3 + 1 if isinstance(value, int) else value * 1.25 + 0.5 for value in numbers]


def _otherwise_written(row: Sequence[Any]) -> list[Any]:
    """Whole numbers as fractional ones and the other way round, as clients write them: 2 and 2.0."""
    return [float(value) if type(value) is int else int(value) if type(value) is float else value for value in row]
