"""A table that a model shall be trained on: what each column is, what the model will do with it, what it predicts."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, TEXT, Column
from trainyard.contract.datasets import arrow_files
from trainyard.contract.datasets.arrow_files import Field
from trainyard.contract.datasets.table_files import read_parts
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.tables.column_profile import MOST_KEPT, ColumnProfile

CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (CLASSIFICATION, REGRESSION)
LEAST_ROWS = 10
LEAST_OF_CLASS = 4  # one for each part that is held out, two to learn from
MOST_CLASSES = 20  # of numbers: more of them are a quantity
MOST_TEXT_CLASSES = 200
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
        return "its values tell the rows apart, no more" if column.identifies else ""

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


def read_profile(path: Path, *, separator: str = "", encoding: str = "") -> TableProfile:
    """Read a table once.

    Args:
        path: any file that training reads, or a folder of such files.
        separator, encoding: of a text file that does not say them itself.

    Raises:
        TrainyardError: it cannot be read as a table, has one column, or too few rows.
    """
    columns: list[ColumnProfile] = []
    repeated: set[str] = set()
    samples: list[tuple[Field, ...]] = []
    order: list[int] = []
    for part, lines in _parts(path, separator, encoding):
        names = [str(name).strip() for name in next(lines, (0, []))[1]]
        if not names:
            raise TrainyardError(f"{part}: the dataset is empty", "it needs a header line and rows")
        columns = columns or [ColumnProfile(name) for name in names]
        order = [names.index(column.name) for column in columns]
        repeated = {name for name in names if name and names.count(name) > 1}
        order = list(range(len(names))) if repeated or "" in names else order
        for _, fields in lines:
            for column, place in zip(columns, order, strict=True):
                column.see(fields[place])
            if len(samples) < 10 * SAMPLES:
                samples.append(tuple(fields[place] for place in order))
    found = TableProfile(path, tuple(columns), columns[0].rows if columns else 0, tuple(samples), frozenset(repeated))
    _check(found)
    return found


def _parts(path: Path, separator: str, encoding: str) -> Any:
    if encoding:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise TrainyardError(f"ENCODING={encoding}: no such encoding", "give one such as ENCODING=cp1252") from None
    try:
        yield from read_parts(path, separator=separator, encoding=encoding)
    except TrainyardError as error:
        hint = error.hint
        if 'encoding="' in hint:  # what a train function would write
            hint = "save it as UTF-8, or name its encoding: ENCODING=cp1252"
        elif "separator=" in hint:
            hint = "say which one separates, for example SEPARATOR=';'"
        elif "DATASET_NAME" in hint:
            hint = "put it there, or name another by DATASET"
        raise TrainyardError(error.message, hint.replace("requirements_train.txt", "this environment")) from None


def _check(found: TableProfile) -> None:
    if len(found.names) < 2 and found.repeated:
        twice = ", ".join(sorted(found.repeated))
        raise TrainyardError(f"{found.path}: the header has {twice} twice, and no two other columns", "rename them")
    if len(found.names) < 2:
        raise TrainyardError(
            f"{found.path}: one column, where a model needs one to predict and one to predict it by",
            "if its fields are separated by another character, say SEPARATOR=<it>",
        )
    if found.rows < LEAST_ROWS:
        raise TrainyardError(
            f"{found.path}: {found.rows} row(s), where a model needs {LEAST_ROWS} to learn from and be measured on",
            "add rows",
        )


def is_columnar(path: Path) -> bool:
    """Whether a table, or the first file of a folder of them, is Parquet or Arrow. False where it cannot be read."""
    first = next((file for file in sorted(path.rglob("*")) if file.is_file()), path) if path.is_dir() else path
    try:
        with first.open("rb") as file:
            return arrow_files.is_arrow(file.read(8))
    except OSError:
        return False


def guess_target(found: TableProfile) -> str:
    """The column that is probably to be predicted: one with a usual name, else the last that says anything."""
    usual = [name for name in found.names if name.casefold() in ("target", "label", "y", "class", "outcome")]
    saying = [column.name for column in found.columns if column.name in found.names and not column.is_constant]
    return (usual or saying[-1:] or found.names[-1:])[0]


def task_of(found: TableProfile, target: str, wanted: str = "") -> str:
    """Whether ``target`` is a class or a quantity; ``wanted`` decides where it can be both.

    Raises:
        TrainyardError: it is neither, or not what is wanted.
    """
    column, where = found.column(target), f"{found.path}: the column {target!r}"
    other = "name another by TARGET"
    if wanted and wanted not in TASKS:
        raise TrainyardError(f"TASK={wanted}: no such task", f"say TASK={' or '.join(TASKS)}")
    values = found.present(target)
    if not values:
        raise TrainyardError(f"{where} has no values", other)
    if len(values) == 1:
        raise TrainyardError(f"{where} has the same value in every row, {next(iter(values))!r}", other)
    many = len(values) > min(MOST_CLASSES, values.total() / LEAST_OF_CLASS)
    quantity = column.kind == NUMBER and (many or not column.is_whole)
    task = wanted or (REGRESSION if quantity else CLASSIFICATION)
    if task == REGRESSION:
        if column.kind != NUMBER:
            fix = column.nearly or f"say TASK={CLASSIFICATION}, or {other}"
            raise TrainyardError(f"{where} holds no numbers", fix)
        return task
    if len(values) > MOST_TEXT_CLASSES:
        raise TrainyardError(
            f"{where} has {len(values):,} classes, more than {MOST_TEXT_CLASSES}", column.nearly or other
        )
    rare = [text for text, count in values.items() if count < LEAST_OF_CLASS]
    if rare:
        more = f" and {len(rare) - 1} more" if rare[1:] else ""
        fix = f"add rows or join classes{', or say TASK=' + REGRESSION if column.kind == NUMBER else ''}"
        what = f"fewer than {LEAST_OF_CLASS} rows are of the class {rare[0]!r}{more}"
        raise TrainyardError(f"{where}: {what}", column.nearly or fix)
    return task
