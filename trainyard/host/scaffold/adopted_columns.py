"""Which columns of a table a fitted model takes, and what they are: the schema and the test instance of the model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.columns import BOOLEAN, CATEGORY, NUMBER, TEXT, parse_number
from trainyard.contract.datasets.table_files import read_lines
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.fitted.described import Described

ROWS = 10_000  # that are looked at
SHOWN = 2  # rows of the test instance
NAMES_SHOWN = 5
MOST_CATEGORIES = 200
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Table:
    """The head of a table; values are texts, or of the types that the file gives them."""

    path: Path
    names: list[str]
    rows: list[list[Any]]

    def column(self, name: str) -> list[Any]:
        place = self.names.index(name)
        return [None if _is_missing(row[place]) else row[place] for row in self.rows]


def read_table(path: Path, *, separator: str = "", encoding: str = "") -> Table:
    """The first rows, by the reader that trainings use.

    Raises:
        TrainyardError: it is no table, or has no rows.
    """
    lines = itertools.islice(read_lines(path, separator=separator, encoding=encoding), ROWS + 1)
    header, *rows = [[*fields] for _, fields in lines] or [[]]
    names = [str(name).strip() for name in header]
    if not rows:
        raise TrainyardError(f"{path}: the table has no rows", "give one with rows as the model takes them")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise TrainyardError(f"{path}: two columns are called {twice[:40]!r}", "rename one of them")
    return Table(path, names, rows)


def chosen_columns(model: Described, table: Table, target: str) -> list[str]:
    """The names of the table's columns that the model takes, in the model's order.

    Raises:
        TrainyardError: the table has not what the model takes.
    """
    if target and target not in table.names:
        raise TrainyardError(f"TARGET={target[:80]}: {table.path} has no such column", f"it has {_listed(table.names)}")
    rest = [name for name in table.names if name != target]
    if not model.columns:
        if model.width and len(rest) != model.width:
            has = f"{table.path} has {len(rest)}{' beside the target' if target else ''}: {_listed(rest)}"
            fix = "give a table with those of the model" + ("" if target else ", or name the other as TARGET")
            raise TrainyardError(f"the model takes {model.width} column(s), and {has}", fix)
        return rest
    dressed = {name.replace(" ", "_"): name for name in rest}  # as LightGBM writes them
    found = [name if name in rest else dressed.get(name, "") for name in model.columns]
    if absent := [name for name, own in zip(model.columns, found, strict=True) if not own]:
        raise TrainyardError(
            f"{table.path}: the model's column(s) {_listed(absent)} are not in it",
            f"give a table that the model was fitted on; this one has {_listed(table.names)}",
        )
    return found


def schema_of(model: Described, table: Table, names: Sequence[str]) -> list[dict[str, Any]]:
    """The columns as a record has them.

    Raises:
        TrainyardError: a column is of texts where the model takes numbers.
    """
    return [_described(model, table, name, place) for place, name in enumerate(names)]


def _described(model: Described, table: Table, name: str, place: int) -> dict[str, Any]:
    values = table.column(name)
    present = [value for value in values if value is not None]
    wanted = None if model.texts is None else place in model.texts
    kind = TEXT if wanted else _kind(present)
    if wanted is False and kind == TEXT:
        odd = next(value for value in present if _kind([value]) == TEXT)
        raise TrainyardError(
            f"{table.path}, column {name}: the text {str(odd)[:40]!r}, and the model takes numbers there",
            "give a table with rows as the model takes them",
        )
    entry: dict[str, Any] = {"name": name, "type": kind}
    if len(present) < len(values) or (model.missing and kind == NUMBER):
        entry["nullable"] = True
    if kind == NUMBER:
        numbers = [_number(value) for value in present]
        whole = len(present) == len(values) and all(isinstance(value, int) for value in numbers)
        entry["dtype"] = "int64" if whole else "float64"
        if numbers:
            entry |= {"minimum": min(numbers), "maximum": max(numbers), "integer": all(one % 1 == 0 for one in numbers)}
    elif kind == BOOLEAN:
        entry["dtype"] = "object" if entry.get("nullable") else "bool"
    else:
        texts = sorted({str(value) for value in present})
        entry["dtype"] = "object"
        if len(texts) <= MOST_CATEGORIES and 2 * len(texts) <= len(present):
            entry |= {"type": CATEGORY, "categories": texts}
    return entry


def instances_of(table: Table, columns: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """A few rows of the table, as a request has them."""
    cells = [[_value(value, column["type"]) for value in table.column(column["name"])[:SHOWN]] for column in columns]
    return [list(row) for row in zip(*cells, strict=True)]


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == NUMBER:
        return _number(value)
    return _boolean(value) if kind == BOOLEAN else str(value)


def _kind(present: Sequence[Any]) -> str:
    if present and all(isinstance(_boolean(value), bool) for value in present):
        return BOOLEAN
    return NUMBER if all(_is_number(value) for value in present) else TEXT


def _boolean(value: Any) -> Any:
    return BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else value


def _is_number(value: Any) -> bool:
    try:
        _number(value)
    except ValueError:
        return False
    return True


def _number(value: Any) -> float | int:
    return parse_number(value.strip() if isinstance(value, str) else str(value))


def _is_missing(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and value.strip().lower() in MISSING)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
