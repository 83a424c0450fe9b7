"""What a model's rows look like, as its training record says it: ``record["schema"]``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from trainyard.contract import drift
from trainyard.contract.columns import BELONGS, Column, column_from_json
from trainyard.contract.row_errors import kind_of, refuse_shape, wanted
from trainyard.errors import BadRequest, ModelUnavailable

_ROWS = frozenset({list, tuple})
_NAMES_SHOWN = 5

Record = dict[str, Any]


@dataclass(frozen=True)
class Schema:
    """The columns of a model's rows, in their order."""

    columns: tuple[Column, ...]

    @classmethod
    def from_record(cls, record: Record) -> Schema | None:
        """The schema that a training record holds; None where it holds none.

        Raises:
            ModelUnavailable: one that is not understood, such as a column of an unknown type.
        """
        if record.get("schema") is None:
            return None
        try:
            return cls.from_json(record["schema"])
        except ModelUnavailable as error:
            name = record.get("model_name")
            where = f"the record of {name}: " if isinstance(name, str) else ""
            raise ModelUnavailable(f"{where}{error.message}", error.hint) from None

    @classmethod
    def from_json(cls, found: Any) -> Schema:
        """The schema that ``{"columns": [...]}`` describes (``columns.column_from_json``).

        Raises:
            ModelUnavailable: no columns, two of one name, or one of an unknown type.
        """
        columns = found.get("columns") if isinstance(found, Mapping) else None
        if not isinstance(columns, list) or not columns:
            raise ModelUnavailable('the schema names no columns: write {"columns": [{"name": ..., "type": ...}]}')
        schema = cls(tuple(map(column_from_json, columns)))
        if len(set(schema.names)) < len(schema.names):
            raise ModelUnavailable("the schema names a column twice", "give each column its own name")
        return schema

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


def check_rows(schema: Schema, rows: Sequence[Any]) -> Sequence[Any]:
    """The rows with the values that they mean (``Column.clean``): nearly always the rows as they are.

    Values that training never saw are noted (``drift``) and allowed. Column by column and in C where all is well, as
    the encoders of ``trainyard.models`` check the rows that they encode.

    Raises:
        BadRequest: a row of another width, a value of another kind or not finite; it names row and column.
    """
    if not (_ROWS.issuperset(map(type, rows)) and {len(schema.columns)}.issuperset(map(len, rows))):
        refuse_shape(rows, schema.names)
    counts = [column.unseen(values) for column, values in zip(schema.columns, zip(*rows, strict=True), strict=True)]
    if None in counts:
        rows = _cleaned(schema, rows)
        by_column = zip(schema.columns, zip(*rows, strict=True), strict=True)
        counts = [column.unseen(values) for column, values in by_column]
    for name, count in zip(schema.names, counts, strict=True):
        if count:
            drift.note(name, count)
    return rows


def _cleaned(schema: Schema, rows: Sequence[Any]) -> list[list[Any]]:
    cleaned = []
    for number, row in enumerate(rows):
        values = []
        for column, value in zip(schema.columns, row, strict=True):
            try:
                values.append(column.clean(value))
            except ValueError:
                refuse_value(name_instance(number), column, value)
        cleaned.append(values)
    return cleaned


def refuse_value(where: str, column: Column, value: Any) -> NoReturn:
    """Raises BadRequest for a value of the wrong kind; ``where`` names its row."""
    raise BadRequest(f"{where}, column {column.name}: {kind_of(value)} where {BELONGS[column.kind]} belongs")


def name_instance(number: int) -> str:
    """How a row of a JSON body is called."""
    return f"instances[{number}]"


def order_rows(
    schema: Schema, rows: Sequence[Mapping[str, Any]], name_row: Callable[[int], str] = name_instance
) -> list[list[Any]]:
    """Rows that are objects, as lists in the order of the schema's columns; ``name_row`` names one in an error.

    A column that may be missing may be left out.

    Raises:
        BadRequest: naming the columns that a row lacks, and those that it has and the schema has not.
    """
    names = schema.names
    expected = set(names)
    if all(row.keys() == expected for row in rows):
        return [[row[name] for name in names] for row in rows]
    nullable = {column.name for column in schema.columns if column.nullable}
    for number, row in enumerate(rows):
        if not expected - nullable <= row.keys() <= expected:
            raise BadRequest(f"{name_row(number)} {name_difference(row, names, nullable)}", f"send {wanted(names)}")
    return [[row.get(name) for name in names] for row in rows]


def name_difference(found: Iterable[str], names: Sequence[str], optional: Iterable[str] = ()) -> str:
    """``has no column 'age'``, ``has the unknown column(s) 'aeg'``, or both."""
    known, given = set(names), set(found)
    missing = [name for name in names if name not in given and name not in set(optional)]
    unknown = [name for name in found if name not in known]
    parts = [f"has no column {_listed(missing)}"] * bool(missing)
    parts += [f"has the unknown column(s) {_listed(unknown)}"] * bool(unknown)
    return " and ".join(parts)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:_NAMES_SHOWN])
    return f"{shown}, ..." if len(names) > _NAMES_SHOWN else shown
