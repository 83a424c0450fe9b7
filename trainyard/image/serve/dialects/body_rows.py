"""Rows in other bodies than our JSON: CSV, and JSON lines. Errors name the line, counted from 1.

Arrow and Parquet are left out: they need pyarrow, 100 MB that no predict image has.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from trainyard.contract.columns import BELONGS, Column, parse_number
from trainyard.contract.row_errors import kind_of, wanted
from trainyard.contract.schema import Schema, name_difference, order_rows
from trainyard.errors import BadRequest
from trainyard.image.serve.prediction.codec import EXACT, JSON
from trainyard.image.serve.prediction.message_body import behind_mark
from trainyard.image.serve.prediction.row_form import RowForm

Row = list[Any]
_WRITTEN = re.compile(r"\+|-?0\d")  # how a number does not begin: 007, +49


def read_csv(body: bytes, form: RowForm) -> list[Row]:
    """The rows of ``text/csv`` (RFC 4180).

    With a schema the first line may name its columns, in any order; without such a line they are in the schema's order,
    and values are read by its types. Without a schema every line is a row: what is text in the route's sample is text,
    what else looks like a number is one, and nothing is a missing value.

    Raises:
        BadRequest: no rows, not UTF-8, not CSV, a line with more or fewer values than it should have, an unknown
            column, text or nothing where a finite number belongs.
    """
    lines = _csv_lines(body, form.width)
    if not lines:
        raise BadRequest("the body has no rows", "send one row a line")
    schema = form.schema
    if schema is None:
        _check_widths(lines, len(lines[0][1]), "")
        texts = form.texts if len(form.texts) == len(lines[0][1]) else (False,) * len(lines[0][1])
        return [[_guessed(*pair) for pair in zip(fields, texts, strict=True)] for _, fields in lines]
    order: list[int | None] = list(range(len(schema.columns)))
    width = len(order)
    if _is_header(lines[0][1], schema):
        width = len(lines[0][1])
        order = _order(*lines.pop(0), schema)
    if not lines:
        raise BadRequest("the body has a header line and no rows", "send one row a line")
    _check_widths(lines, width, f"send {wanted(schema.names)}")
    return _typed_rows(lines, order, schema)


def read_json_lines(body: bytes, form: RowForm) -> list[Any]:
    """The rows of ``application/x-ndjson``: a list or an object a line, all of one kind; blank lines do not count.

    Objects become lists where there is a schema. A line may be a bare value where a row has one value.

    Raises:
        BadRequest: no rows, a line that is not JSON or no row, lists of several lengths, unknown or missing columns.
    """
    texts = [(number, text) for number, text in enumerate(body.split(b"\n"), 1) if text.strip()]
    if not texts:
        raise BadRequest("the body has no rows", "send one row a line")
    schema, codec = form.schema, JSON if form.schema else EXACT
    try:
        rows = [codec.loads(text) for _, text in texts]
    except ValueError:
        if (text := behind_mark(body)) is not None:
            return read_json_lines(text, form)
        _refuse_line(texts)
    kinds = set(map(type, rows))
    if kinds == {dict}:
        return order_rows(schema, rows, lambda place: f"line {texts[place][0]}") if schema else rows
    if form.width == 1 and not kinds & {list, dict}:
        return [[value] for value in rows]
    if kinds != {list}:
        first = type(rows[0]) if isinstance(rows[0], (list, dict)) else list
        odd = next(place for place, row in enumerate(rows) if type(row) is not first)
        raise BadRequest(f"line {texts[odd][0]} is {kind_of(rows[odd])}", "send a list a line, or an object a line")
    _check_widths(
        [(number, row) for (number, _), row in zip(texts, rows, strict=True)],
        len(form.names) or len(rows[0]), f"send {wanted(form.names)}" if form.names else "",
    )  # fmt: skip
    return rows


def _csv_lines(body: bytes, width: int) -> list[tuple[int, list[str]]]:
    """``(number of the line, its values)`` of the lines that are not blank; values are stripped, as in training."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        behind_mark(body)
        raise BadRequest("the body is not UTF-8 text", "encode it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, [value.strip() for value in fields]) for fields in reader]
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num} is not CSV: {error}", "quote values that hold a comma") from None
    # A line of blanks, or of an empty quotation, is a row only where rows have one value.
    blank: tuple[list[str], ...] = ([],) if width == 1 else ([], [""])
    return [(number, values) for number, values in lines if values not in blank]


def _is_header(fields: Sequence[str], schema: Schema) -> bool:
    """Whether the first line names columns, even if not all of them: such a line could not be a row."""
    if set(fields) == set(schema.names):
        return True
    fits = len(fields) == len(schema.columns) and all(map(_can_be, schema.columns, fields))
    return not fits and not set(schema.names).isdisjoint(fields)


def _can_be(column: Column, text: str) -> bool:
    try:
        column.parse(text)
    except ValueError:
        return False
    return True


def _order(line: int, header: Sequence[str], schema: Schema) -> list[int | None]:
    """Where in a line each column of the schema is; None for one that is left out, as it may be missing.

    Raises:
        BadRequest: columns are missing, unknown or named twice.
    """
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise BadRequest(f"line {line} names the column {twice[:40]!r} twice", f"send {wanted(schema.names)}")
    nullable = {column.name for column in schema.columns if column.nullable}
    if difference := name_difference(header, schema.names, nullable):
        raise BadRequest(f"line {line} {difference}", f"send {wanted(schema.names)}")
    return [header.index(name) if name in header else None for name in schema.names]


def _typed_rows(lines: Sequence[tuple[int, list[str]]], order: Sequence[int | None], schema: Schema) -> list[Row]:
    columns: list[list[Any]] = []
    for column, place in zip(schema.columns, order, strict=True):
        values: list[Any] = []
        for line, fields in lines:
            try:
                values.append(None if place is None else column.parse(fields[place]))
            except ValueError:
                text = fields[place or 0]
                found = kind_of(text) if text else "nothing"
                raise BadRequest(
                    f"line {line}, column {column.name}: {found} where {BELONGS[column.kind]} belongs"
                ) from None
        columns.append(values)
    return list(map(list, zip(*columns, strict=True)))


def _guessed(text: str, is_text: bool) -> float | int | str | None:
    """What a value means where no schema says it; ``007`` and ``+49`` stay text: as numbers they would be others."""
    if is_text:
        return text
    if not text:
        return None
    try:
        return text if _WRITTEN.match(text) else parse_number(text)
    except ValueError:
        return text


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
    raise BadRequest("a line is not JSON", "send a list a line, or an object a line")
