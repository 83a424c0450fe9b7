"""One column of a model's rows: which values it takes, and what a value means, whatever format it came in.

Training reads a dataset by these rules, the server reads CSV, JSON and tensors by them. So a value means the same
everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

from trainyard.contract.row_errors import is_finite_number
from trainyard.errors import ModelUnavailable

Value = float | int | str | bool | None  # None: missing

NUMBER, CATEGORY, TEXT, DATE, BOOLEAN = "number", "category", "text", "date", "boolean"
BELONGS = {
    NUMBER: "a finite number",
    CATEGORY: "text",
    TEXT: "text",
    DATE: "a date such as 2026-01-31 or 2026-01-31T12:00:00Z",
    BOOLEAN: "true or false",
}
KINDS = tuple(BELONGS)

# As JSON writes numbers, and as spreadsheets do: .5, 1., +1. Python's own parser takes 1_000 and nan, too.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?\d*)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)  # RFC 3339, with a space and without a zone, too
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBERS = frozenset({int, float})  # the types that JSON gives; others take the slow path
_STRINGS = frozenset({str})
_BOOLEANS = frozenset({bool})
_SECONDS_OF_DAY = 86400


@dataclass(frozen=True)
class Column:
    """One column, and what training saw of it.

    ``minimum`` and ``maximum`` are numbers; of dates they are days since 1970. ``categories`` are those of a category.
    A value may be missing where training had missing ones (``nullable``).
    """

    name: str
    kind: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    is_integer: bool = False
    categories: tuple[str, ...] = ()

    @cached_property
    def known(self) -> frozenset[str]:
        """The categories that training saw."""
        return frozenset(self.categories)

    def parse(self, text: str) -> Value:
        """The value that ``text`` means, as a CSV file has it; surrounding blanks do not count.

        Raises:
            ValueError: it means none.
        """
        text = text.strip()
        if not text and self.nullable:
            return None
        if self.kind == NUMBER:
            return parse_number(text)
        if self.kind == BOOLEAN:
            return parse_boolean(text)
        return self.clean(text)

    def clean(self, value: Any) -> Value:
        """The value that ``value`` means, as JSON or a tensor has it.

        Blank text is missing where a value may be; blanks around a category or a date do not count.

        Raises:
            ValueError: it is of the wrong kind.
        """
        if self.nullable and (value is None or (isinstance(value, str) and not value.strip())):
            return None
        if not _CHECKS[self.kind](value):
            raise ValueError
        if self.kind == BOOLEAN:
            return bool(value)
        return value.strip() if self.kind in (CATEGORY, DATE) else value  # type: ignore[no-any-return]

    def unseen(self, values: Sequence[Any]) -> int | None:
        """How many of ``values`` training never saw; None: one of them is not, or may not be, as ``clean`` gives it."""
        if self.nullable and None in values:
            values = [value for value in values if value is not None]
        try:
            return _COUNTS[self.kind](self, values) if values else 0
        except (OverflowError, TypeError, ValueError):  # a whole number beyond 1.8e308; a list or an object
            return None


def parse_number(text: str) -> float | int:
    """The finite number that ``text`` is; whole numbers are exact, however long.

    Raises:
        ValueError: it is none.
    """
    if _WHOLE.fullmatch(text):
        number: float | int = int(text)
        if is_finite_number(number):
            return number
    elif _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    raise ValueError(f"{text[:40]!r} is not a number")


def parse_boolean(text: str) -> bool:
    """``true``, ``false``, ``yes``, ``no``, ``1`` or ``0``, in any case.

    Raises:
        ValueError: it is none of them.
    """
    if text.lower() not in _WORDS:
        raise ValueError(f"{text[:40]!r} is not true or false")
    return _WORDS[text.lower()]


@lru_cache(maxsize=4096)
def days_of(text: str) -> float:
    """A date, or a date and a time, as days since 1970; a time without a zone is taken as UTC.

    Raises:
        ValueError: it is none.
    """
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a date")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() / _SECONDS_OF_DAY


def text_of_days(days: float) -> str:
    """The date of a number of days since 1970: ``2026-01-31``."""
    return datetime.fromtimestamp(math.floor(days) * _SECONDS_OF_DAY, UTC).date().isoformat()


def column_from_json(entry: Any) -> Column:
    """The column that an entry of a record's schema describes.

    ``{"name", "type", "nullable", "minimum", "maximum", "integer", "categories"}``; name and type have to be there.

    Raises:
        ModelUnavailable: no name, or an unknown type.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise ModelUnavailable('the schema has a column without a name: give it {"name": ..., "type": ...}')
    name, kind = entry["name"], entry.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ModelUnavailable(
            f"the schema's column {name[:40]!r} has the unknown type {str(kind)[:40]!r}", f"use {', '.join(KINDS)}"
        )
    bound: Callable[[Any], float] = days_of if kind == DATE else float
    categories = entry.get("categories")
    try:
        low, high = (None if entry.get(key) is None else bound(entry[key]) for key in ("minimum", "maximum"))
    except (TypeError, ValueError, OverflowError):
        raise ModelUnavailable(
            f"the schema's column {name[:40]!r} has a minimum or maximum that is no {kind}",
            "correct it, or leave it out",
        ) from None
    return Column(
        name, kind, bool(entry.get("nullable")), low, high, bool(entry.get("integer")),
        tuple(map(str, categories)) if isinstance(categories, list) else (),
    )  # fmt: skip


def _is_date(value: Any) -> bool:
    try:
        days_of(value.strip())
    except (AttributeError, ValueError):
        return False
    return True


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or (type(value) in _NUMBERS and value in (0, 1))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    NUMBER: is_finite_number,
    CATEGORY: lambda value: isinstance(value, str),
    TEXT: lambda value: isinstance(value, str),
    DATE: _is_date,
    BOOLEAN: _is_boolean,
}


def _outside(column: Column, values: Sequence[float]) -> int:
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    return 0 if low <= min(values) and max(values) <= high else sum(not low <= value <= high for value in values)


def _unseen_numbers(column: Column, values: Sequence[Any]) -> int | None:
    if not _NUMBERS.issuperset(map(type, values)) or not all(map(math.isfinite, values)):
        return None
    return _outside(column, values)


def _unseen_categories(column: Column, values: Sequence[Any]) -> int | None:
    if column.known.issuperset(values):
        return 0
    if not _STRINGS.issuperset(map(type, values)) or any(value != value.strip() for value in values):
        return None
    if column.nullable and "" in values:
        return None
    return sum(value not in column.known for value in values)


def _unseen_texts(column: Column, values: Sequence[Any]) -> int | None:
    good = _STRINGS.issuperset(map(type, values)) and not (column.nullable and not all(map(str.strip, values)))
    return 0 if good else None


def _unseen_dates(column: Column, values: Sequence[Any]) -> int | None:
    if not _STRINGS.issuperset(map(type, values)):
        return None
    return _outside(column, list(map(days_of, values)))


def _unseen_booleans(_column: Column, values: Sequence[Any]) -> int | None:
    return 0 if _BOOLEANS.issuperset(map(type, values)) else None


_COUNTS: dict[str, Callable[[Column, Sequence[Any]], int | None]] = {
    NUMBER: _unseen_numbers,
    CATEGORY: _unseen_categories,
    TEXT: _unseen_texts,
    DATE: _unseen_dates,
    BOOLEAN: _unseen_booleans,
}
