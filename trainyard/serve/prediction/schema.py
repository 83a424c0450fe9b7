"""What a model's rows look like, as its training record says it: ``record["schema"]``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trainyard.records import Record


@dataclass(frozen=True)
class Column:
    """One column: a number with the range that training saw, or text with the categories that it saw."""

    name: str
    is_number: bool
    minimum: float | None = None
    maximum: float | None = None
    is_integer: bool = False
    categories: tuple[str, ...] = ()


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

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


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
