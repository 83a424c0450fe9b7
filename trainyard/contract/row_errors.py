"""What is wrong with rows of mixed values, in one line that names row and column.

Slow and exact: called only after a quick check failed. Rows are counted from 0, as ``instances[0]``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Real
from typing import Any

from trainyard.errors import BadRequest

_TEXT_SHOWN = 40
_NAMES_SHOWN = 30


def refuse_shape(rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Raises BadRequest for the first row that is no list, or not of one value per column."""
    for number, row in enumerate(rows):
        if not isinstance(row, (list, tuple)):
            raise BadRequest(f"instances[{number}] is {kind_of(row)}", f"send a list of {wanted(columns)}")
        if len(row) != len(columns):
            raise BadRequest(f"instances[{number}] has {len(row)} value(s)", f"send {wanted(columns)}")


def refuse_values(rows: Sequence[Sequence[Any]], columns: Sequence[str], text: Collection[int]) -> None:
    """Raises BadRequest for the first value of the wrong kind.

    Args:
        rows: each of one value per column.
        columns: their names.
        text: the positions of those that hold text; all others hold finite numbers.
    """
    for number, row in enumerate(rows):
        for position, value in enumerate(row):
            if not (isinstance(value, str) if position in text else is_finite_number(value)):
                belongs = "text" if position in text else "a finite number"
                raise BadRequest(
                    f"instances[{number}], column {columns[position]}: {kind_of(value)} where {belongs} belongs"
                )


def wanted(columns: Sequence[str]) -> str:
    """``3 values: age, place, size``; of very many columns the first are named."""
    more = ", ..." if len(columns) > _NAMES_SHOWN else ""
    return f"{len(columns)} value{'s'[: len(columns) != 1]}: {', '.join(columns[:_NAMES_SHOWN])}{more}"


def is_finite_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold, numpy's among them; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond 1.8e308
        return False


def kind_of(value: Any) -> str:
    """What a value is, in the words of JSON; long text is cut."""
    if isinstance(value, str):
        return f"the text {value[:_TEXT_SHOWN]!r}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**20):
        return f"the number {value}"
    if isinstance(value, int):
        return "a number too large"
    names = {list: "a list", tuple: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")
