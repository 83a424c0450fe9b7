"""A table that a model shall be trained on: what each column is, and what the model will do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, TEXT, Column
from trainyard.contract.datasets.arrow_files import Field
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.tables.column_profile import MOST_KEPT, ColumnProfile

SAMPLES = 3
TYPED = (NUMBER, DATE, BOOLEAN)


@dataclass(frozen=True)
class Use:
    """What becomes of a column: ``kind`` of ``trainyard.contract.columns``, empty where it is left out."""

    name: str
    kind: str
    what: str
    does: str


@dataclass(frozen=True)
class TableProfile:
    """A table that was read: its columns, and some of its rows as text."""

    path: Path
    columns: tuple[ColumnProfile, ...]
    rows: int
    samples: tuple[tuple[Field, ...], ...]
    repeated: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()

    def keeping(self, names: str) -> TableProfile:
        """The same, with the columns ``names`` (separated by commas) kept though they look like identifiers.

        Raises:
            TrainyardError: there is no such column.
        """
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if unknown := [name for name in wanted if name not in self.names]:
            raise TrainyardError(f"KEEP={names}: {self.path} has no column {unknown[0]!r}", "name columns of the table")
        return replace(self, kept=frozenset(wanted))

    @property
    def names(self) -> list[str]:
        """Those that a target can have."""
        return [column.name for column in self.columns if column.name and column.name not in self.repeated]

    @property
    def marks(self) -> frozenset[str]:
        """Texts that stand for a missing value: they stand among numbers, dates or truth values."""
        typed = (column for column in self.columns if column.values and column.kind in TYPED)
        return frozenset(text for column in typed for text in column.marks)

    @property
    def decimal(self) -> str:
        """What stands before the fraction of numbers."""
        return "," if any(column.has_commas for column in self.columns) else "."

    @property
    def doubts(self) -> list[str]:
        """Sentences about what may be meant otherwise than it is read."""
        found = [f"{one.name}: 1.234 is read as 1.234; if 1234 is meant, write it without the point"
                 for one in self.columns if one.has_points and self.decimal == ","]  # fmt: skip
        if 2 * sum(column.is_named_like_a_value for column in self.columns) > len(self.columns):
            found.append("The first line names the columns, and looks like a row; if it is one, write names above it")
        return found

    def column(self, name: str) -> ColumnProfile:
        """The column of that name.

        Raises:
            TrainyardError: there is none, or there are two.
        """
        if name in self.repeated:
            raise TrainyardError(f"{self.path}: the header has {name!r} twice", "rename one of them")
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            known = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
            raise TrainyardError(f"{self.path}: no column {name!r}", f"say TARGET=<one of: {known}>")
        return found

    def uses(self, target: str) -> list[Use]:
        """What a model that predicts ``target`` does with each of the other columns."""
        return [self._use(column) for column in self.columns if column.name != target]

    @cached_property
    def _folded(self) -> frozenset[str]:
        return frozenset(text.casefold() for text in self.marks)

    def present(self, name: str) -> Counter[str]:
        """The values of a column that are not missing, and how often each is there."""
        return self.column(name).present(self._folded)

    def _use(self, column: ColumnProfile) -> Use:
        missing = column.missing_by(self._folded)
        what = _described(column, len(column.present(self._folded)), missing)
        if reason := self._why_left_out(column):
            return Use(column.name, "", what, f"left out: {reason}")
        return Use(column.name, column.kind, what, _DOES[column.kind] + (_MISSING[column.kind] if missing else ""))

    def _why_left_out(self, column: ColumnProfile) -> str:
        if not column.name:
            return "it has no name"
        if column.name in self.repeated:
            return "the header has its name twice"
        if column.is_constant:
            return "it has no values" if not (column.values or column.marks) else "it has one value"
        if column.identifies and column.name not in self.kept:
            return "its values tell the rows apart, no more; KEEP=<its name> keeps it"
        return ""

    def instances(self, uses: Sequence[Use]) -> list[list[Any]]:
        """Some rows as a request has them: values in the order of those of ``uses`` that are not left out."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        taken = [(places[use.name], Column(use.name, use.kind, nullable=True)) for use in uses if use.kind]
        rows = [[self._value(column, sample[place]) for place, column in taken] for sample in self.samples]
        return sorted(rows, key=lambda row: row.count(None))[:SAMPLES]

    def _value(self, column: Column, field: Field) -> Any:
        text = "" if field is None or field != field else str(field)
        if text.strip().casefold() in self._folded:
            return None
        return column.parse(text.replace(",", ".") if column.kind == NUMBER and self.decimal == "," else text)


_DOES = {
    NUMBER: "a number",
    CATEGORY: "a feature for each value; one that training has not seen is none of them",
    TEXT: "a feature for each of its 200 most frequent words",
    DATE: "the days since 1970",
    BOOLEAN: "0 or 1",
}
_MISSING = {
    NUMBER: "; a missing one is the median, and a feature says that it was missing",
    CATEGORY: "; a missing one is a value of its own",
    TEXT: "; a missing one has no words",
    DATE: "; a missing one is the median, and a feature says that it was missing",
    BOOLEAN: "; a missing one is the median, and a feature says that it was missing",
}


def _described(column: ColumnProfile, count: int, missing: int) -> str:
    kind, more = column.kind, " or more" if count >= MOST_KEPT else ""
    what = {NUMBER: "number", DATE: "date", BOOLEAN: "true or false"}.get(
        kind, f"{kind} ({count:,}{more} value{'s' if count != 1 else ''})"
    )
    if column.has_thousands:
        what += ": do its commas mean thousands or a fraction? Write it without"
    what += f": {column.nearly}" if column.nearly else ""
    return what + (f", {missing:,} missing" if missing else "")
