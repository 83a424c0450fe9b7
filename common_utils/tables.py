"""Reads a dataset: a CSV file with a header, columns found by name and not by position, errors with a line number."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError

Value = float | int | str
Row = list[Value]


@dataclass(frozen=True)
class Schema:
    """What a project's dataset must hold.

    Args:
        features: columns that a model takes, in the order of the values of a prediction instance.
        label: the column to predict.
        categorical: those of the features that hold text; every other one holds numbers.
        numeric_label: the label is a quantity (regression) and not a class.
    """

    features: tuple[str, ...]
    label: str
    categorical: frozenset[str] = frozenset()
    numeric_label: bool = False


@dataclass(frozen=True)
class Table:
    """The rows of a dataset, each in the order of ``columns``, and as many labels.

    Labels are numbers where the schema says so, and where every class is a whole number; else text.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]
    labels: list[Value]

    def pick(self, indices: Sequence[int]) -> Table:
        """The table of only those rows, in that order."""
        return Table(self.path, self.columns, [self.rows[i] for i in indices], [self.labels[i] for i in indices])


def read_table(path: Path, schema: Schema) -> Table:
    """Read the columns that ``schema`` names; others are left aside, their order in the file is free.

    Raises:
        TrainyardError: no such file, not UTF-8 CSV, no rows, a missing or repeated column, a row with another number
            of fields than the header, text where a number belongs, an empty label.
    """
    lines = _lines(path)
    _, header = next(lines, (0, []))
    if not header:
        raise TrainyardError(f"{path}: the dataset is empty", "it needs a header line and rows")
    positions = _positions(path, header, schema)
    rows: list[Row] = []
    labels: list[Value] = []
    for number, fields in lines:
        if len(fields) != len(header):
            raise TrainyardError(
                f"{path}:{number}: {len(fields)} field(s) where the header has {len(header)}", "mend that line"
            )
        rows.append([_value(path, number, name, fields[positions[name]], schema) for name in schema.features])
        labels.append(_value(path, number, schema.label, fields[positions[schema.label]], schema))
    if not rows:
        raise TrainyardError(f"{path}: the dataset has a header and no rows", "add rows to train on")
    return Table(path, schema.features, rows, labels if schema.numeric_label else _whole_classes(labels))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """``(line number, fields)`` of the lines that are not blank; the first is the header."""
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for fields in reader:
                if fields:
                    yield reader.line_num, fields
    except FileNotFoundError:
        raise TrainyardError(f"{path}: no such dataset", "put it there, or name another by DATASET_NAME") from None
    except OSError as error:
        raise TrainyardError(f"{path}: cannot be read ({error.strerror})", "DATASET_NAME must be a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainyardError(f"{path}: not a UTF-8 CSV file ({error})", "export it as UTF-8 CSV") from None


def _positions(path: Path, header: list[str], schema: Schema) -> dict[str, int]:
    names = [name.strip() for name in header]
    needed = (*schema.features, schema.label)
    if missing := [name for name in needed if name not in names]:
        raise TrainyardError(
            f"{path}: missing column(s) {', '.join(missing)}", f"the header needs: {', '.join(needed)}"
        )
    if repeated := [name for name in needed if names.count(name) > 1]:
        raise TrainyardError(f"{path}: column(s) {', '.join(repeated)} appear twice in the header", "keep one of each")
    return {name: names.index(name) for name in needed}


def _value(path: Path, number: int, column: str, text: str, schema: Schema) -> Value:
    text = text.strip()
    if column == schema.label and not schema.numeric_label:
        if not text:
            raise TrainyardError(f"{path}:{number}: the label {column} is empty", "label that row or drop it")
        return text
    return text if column in schema.categorical else _number(path, number, column, text)


def _number(path: Path, number: int, column: str, text: str) -> float | int:
    try:
        value = int(text) if text.isdecimal() else float(text)
    except ValueError:
        value = math.nan
    # Python reads 1_000 as a number; a dataset does not mean it as one.
    if not math.isfinite(value) or "_" in text:
        raise TrainyardError(f"{path}:{number}: {column} is {text!r}, not a number", "mend or drop that line")
    return value


def _whole_classes(labels: list[Value]) -> list[Value]:
    try:
        return [int(label) for label in labels]
    except ValueError:
        return labels
