"""A table is read once, all of it: a schema that is written of a part of it might not hold for the rest."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from trainyard.contract.datasets import arrow_files
from trainyard.contract.datasets.arrow_files import Field
from trainyard.contract.datasets.table_files import read_parts
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.tables.column_profile import ColumnProfile
from trainyard.host.scaffold.tables.table_profile import SAMPLES, TableProfile

LEAST_ROWS = 10


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
