"""Reads a dataset: a table with a header, columns found by name and not by position, errors with a line number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.columns import BELONGS, BOOLEAN, CATEGORY, DATE, NUMBER, TEXT, Column, Value
from trainyard.contract.datasets.arrow_files import Field
from trainyard.contract.datasets.table_files import read_parts
from trainyard.errors import TrainyardError

Row = list[Value]
_WHOLE = re.compile(r"0|-?[1-9]\d*", re.ASCII)


@dataclass(frozen=True)
class Schema:
    """What a project's dataset must hold.

    Args:
        features: columns that a model takes, in the order of the values of a prediction instance.
        label: the column to predict.
        categorical: those of the features that hold one of a few texts each.
        numeric_label: the label is a quantity (regression) and not a class.
        texts: those of the features that hold free text.
        dates: those that hold dates, or dates and times, as ISO 8601 writes them: 2026-01-31, 2026-01-31T12:00:00Z.
        booleans: those that hold true or false (also yes or no, 1 or 0).
        missing: texts that stand for a missing value, such as NA; blanks around them and their case do not count.
        decimal: what stands before the fraction of a number: a point, or the comma of many European tables.
        drop_unlabelled: leave out rows without a label, which else are an error.

    Every other feature holds numbers. A blank field of a feature is a missing value.
    """

    features: tuple[str, ...]
    label: str
    categorical: frozenset[str] = frozenset()
    numeric_label: bool = False
    texts: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    decimal: str = "."
    drop_unlabelled: bool = False

    def kind(self, feature: str) -> str:
        """What the values of a feature are, as ``trainyard.contract.columns`` calls it."""
        known = ((CATEGORY, self.categorical), (TEXT, self.texts), (DATE, self.dates), (BOOLEAN, self.booleans))
        return next((kind for kind, names in known if feature in names), NUMBER)


@dataclass(frozen=True)
class Table:
    """The rows of a dataset, each in the order of ``columns``, and as many labels; None is a missing value.

    Labels are numbers where the schema says so, and where every class is a whole number as JSON writes it; else text.
    ``kinds``: what the values of each column are (``trainyard.contract.columns``).
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]
    labels: list[Any]
    kinds: tuple[str, ...] = ()

    def pick(self, indices: Sequence[int]) -> Table:
        """The table of only those rows, in that order."""
        return Table(
            self.path, self.columns, [self.rows[i] for i in indices], [self.labels[i] for i in indices], self.kinds
        )


def read_table(path: Path, schema: Schema, *, separator: str = "", encoding: str = "") -> Table:
    """Read the columns that ``schema`` names; others are left aside, their order in the file is free.

    Args:
        path: a file of any form that `trainyard.contract.datasets.table_files` reads, or a folder of such files with
            the same columns.
        separator, encoding: of a text file, where it does not say them itself.

    Raises:
        TrainyardError: no such file, not a table, no rows, a missing or repeated column, a row with another number of
            fields than the header, a value that its column cannot have, an empty label. Of a folder it names the file.
    """
    rows: list[Row] = []
    labels: list[Any] = []
    reader = _Reader(frozenset(text.strip().casefold() for text in schema.missing), schema.decimal)
    columns = [Column(name, schema.kind(name), nullable=True) for name in schema.features]
    label = Column(schema.label, NUMBER if schema.numeric_label else CATEGORY)
    wanted = (*schema.features, schema.label)
    for part, lines in read_parts(path, wanted, separator=separator, encoding=encoding):
        _, header = next(lines, (0, []))
        if not header:
            raise TrainyardError(f"{part}: the dataset is empty", "it needs a header line and rows")
        positions = _positions(part, header, schema)
        for number, fields in lines:
            if schema.drop_unlabelled and reader.is_missing(fields[positions[label.name]]):
                continue
            rows.append([reader.value(part, number, column, fields[positions[column.name]]) for column in columns])
            labels.append(reader.label(part, number, label, fields[positions[label.name]]))
    if not rows:
        what = f"no label in the column {schema.label}" if schema.drop_unlabelled else "a header and no rows"
        raise TrainyardError(f"{path}: the dataset has {what}", "add rows to train on")
    kinds = tuple(column.kind for column in columns)
    return Table(path, schema.features, rows, labels if schema.numeric_label else _whole_classes(labels), kinds)


def _positions(path: Path, header: Sequence[Field], schema: Schema) -> dict[str, int]:
    names = [str(name).strip() for name in header]
    needed = (*schema.features, schema.label)
    if missing := [name for name in needed if name not in names]:
        raise TrainyardError(
            f"{path}: missing column(s) {', '.join(missing)}", f"the header needs: {', '.join(needed)}"
        )
    if repeated := [name for name in needed if names.count(name) > 1]:
        raise TrainyardError(f"{path}: column(s) {', '.join(repeated)} appear twice in the header", "keep one of each")
    return {name: names.index(name) for name in needed}


@dataclass(frozen=True)
class _Reader:
    """What a field means; ``missing`` (casefolded) and ``decimal`` as of a Schema."""

    missing: frozenset[str]
    decimal: str

    def is_missing(self, field: Field) -> bool:
        """Whether a field of any column holds nothing."""
        if isinstance(field, str):
            text = field.strip()
            return not text or (bool(self.missing) and text.casefold() in self.missing)
        return field is None or field != field

    def value(self, path: Path, number: int, column: Column, field: Field) -> Value:
        """The value of a field in line ``number`` of a file; None where there is none.

        Raises:
            TrainyardError: it is not of the column's kind.
        """
        if column.nullable and self.is_missing(field):
            return None
        try:
            if not isinstance(field, str):
                return _typed(column, field)
            if self.decimal != "." and column.kind == NUMBER:
                return column.parse(field.replace(self.decimal, "."))
            return column.parse(field)
        except ValueError:
            raise TrainyardError(
                f"{path}:{number}: {column.name} is {str(field).strip()[:40]!r}, not {BELONGS[column.kind]}",
                "correct that line; leave the field blank where the value is missing",
            ) from None

    def label(self, path: Path, number: int, column: Column, field: Field) -> Value:
        """The label in a field. Errors as of ``value``; there also has to be one."""
        if self.is_missing(field):
            raise TrainyardError(f"{path}:{number}: the label {column.name} is empty", "label that row or drop it")
        return self.value(path, number, column, field)


def _typed(column: Column, field: Field) -> Value:
    """What a field of Parquet or Arrow means: as its text would, where the column is of another type."""
    try:
        return column.clean(field)
    except ValueError:
        return column.parse(str(field))


def _whole_classes(labels: list[Any]) -> list[Any]:
    """As numbers, where all are; ``007`` and ``1_0`` are not: they would not come back."""
    return list(map(int, labels)) if all(map(_WHOLE.fullmatch, labels)) else labels
