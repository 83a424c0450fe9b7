"""Rows in other bodies than our JSON: CSV, and JSON lines. Errors name the line, counted from 1.

Arrow and Parquet are left out: they need pyarrow, 100 MB that no predict image has.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from trainyard.errors import BadRequest
from trainyard.row_errors import kind_of, wanted
from trainyard.serve.prediction.codec import JSON
from trainyard.serve.prediction.schema import Schema, name_difference, order_rows

Row = list[Any]
# As JSON writes numbers, and as spreadsheets do: .5, 1., +1. Python's own parser takes 1_000 and nan, too.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def read_csv(body: bytes, schema: Schema | None) -> list[Row]:
    """The rows of ``text/csv`` (RFC 4180).

    With a schema the first line may name its columns, in any order; without such a line they are in the schema's order,
    and values are read by its types. Without a schema every line is a row, and what looks like a number is one.

    Raises:
        BadRequest: no rows, not UTF-8, not CSV, a line with more or fewer values than it should have, an unknown
            column, text or nothing where a finite number belongs.
    """
    lines = _csv_lines(body)
    if not lines:
        raise BadRequest("the body has no rows", "send one row a line")
    if schema is None:
        _check_widths(lines, len(lines[0][1]), "")
        return [[_value(text) for text in fields] for _, fields in lines]
    order = list(range(len(schema.columns)))
    if _is_header(lines[0][1], schema):
        order = _order(*lines.pop(0), schema)
    if not lines:
        raise BadRequest("the body has a header line and no rows", "send one row a line")
    _check_widths(lines, len(order), f"send {wanted(schema.names)}")
    return _typed_rows(lines, order, schema)


def read_json_lines(body: bytes, schema: Schema | None) -> list[Any]:
    """The rows of ``application/x-ndjson``: a list or an object a line, all of one kind; blank lines do not count.

    Objects become lists where there is a schema.

    Raises:
        BadRequest: no rows, a line that is not JSON or no row, lists of several lengths, unknown or missing columns.
    """
    texts = [(number, text) for number, text in enumerate(body.split(b"\n"), 1) if text.strip()]
    if not texts:
        raise BadRequest("the body has no rows", "send one row a line")
    try:
        rows = [JSON.loads(text) for _, text in texts]
    except ValueError:
        _refuse_line(texts)
    kinds = set(map(type, rows))
    if kinds == {dict}:
        return order_rows(schema, rows, lambda place: f"line {texts[place][0]}") if schema else rows
    if kinds != {list}:
        first = type(rows[0]) if isinstance(rows[0], (list, dict)) else list
        odd = next(place for place, row in enumerate(rows) if type(row) is not first)
        raise BadRequest(f"line {texts[odd][0]} is {kind_of(rows[odd])}", "send a list a line, or an object a line")
    names = schema.names if schema else ()
    _check_widths(
        [(number, row) for (number, _), row in zip(texts, rows, strict=True)],
        len(names) or len(rows[0]), f"send {wanted(names)}" if names else "",
    )  # fmt: skip
    return rows


def _csv_lines(body: bytes) -> list[tuple[int, list[str]]]:
    """``(number of the line, its values)`` of the lines that are not blank; values are stripped, as in training."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8 text", "encode it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, [value.strip() for value in fields]) for fields in reader]
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num} is not CSV: {error}", "quote values that hold a comma") from None
    return [(number, values) for number, values in lines if values not in ([], [""])]


def _is_header(fields: Sequence[str], schema: Schema) -> bool:
    """Whether the first line names columns, even if not all of them: such a line could not be a row."""
    if set(fields) == set(schema.names):
        return True
    numbers = [place for place, column in enumerate(schema.columns) if column.is_number]
    fits = len(fields) == len(schema.columns) and all(_NUMBER.fullmatch(fields[place]) for place in numbers)
    return not fits and not set(schema.names).isdisjoint(fields)


def _order(line: int, header: Sequence[str], schema: Schema) -> list[int]:
    """Where in a line each column of the schema is.

    Raises:
        BadRequest: columns are missing, unknown or named twice.
    """
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise BadRequest(f"line {line} names the column {twice[:40]!r} twice", f"send {wanted(schema.names)}")
    if difference := name_difference(header, schema.names):
        raise BadRequest(f"line {line} {difference}", f"send {wanted(schema.names)}")
    return [header.index(name) for name in schema.names]


def _typed_rows(lines: Sequence[tuple[int, list[str]]], order: Sequence[int], schema: Schema) -> list[Row]:
    columns: list[list[Any]] = []
    for column, place in zip(schema.columns, order, strict=True):
        texts = [fields[place] for _, fields in lines]
        values = [_number(text) for text in texts] if column.is_number else texts
        for (line, _), text, value in zip(lines, texts, values, strict=True) if None in values else ():
            if value is None:
                found = f"the text {text[:40]!r}" if text else "nothing"
                raise BadRequest(f"line {line}, column {column.name}: {found} where a finite number belongs")
        columns.append(values)
    return list(map(list, zip(*columns, strict=True)))


def _number(text: str) -> float | int | None:
    """The finite number that ``text`` is; None where it is none."""
    if _WHOLE.fullmatch(text):
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _value(text: str) -> float | int | str:
    number = _number(text)
    return text if number is None else number


def _check_widths(lines: Sequence[tuple[int, Sequence[Any]]], width: int, hint: str) -> None:
    if {width}.issuperset(len(values) for _, values in lines):
        return
    number, values = next((number, values) for number, values in lines if len(values) != width)
    raise BadRequest(f"line {number} has {len(values)} value(s), not {width}", hint or "send rows of one length")


def _refuse_line(texts: Sequence[tuple[int, bytes]]) -> NoReturn:
    """Raises BadRequest for the first line that is not JSON."""
    for number, text in texts:
        try:
            JSON.loads(text)
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise BadRequest(
                f"line {number} is not JSON: {reason}", "send a list a line, or an object a line"
            ) from None
    raise AssertionError("every line is JSON")
