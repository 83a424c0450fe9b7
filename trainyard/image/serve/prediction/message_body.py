"""A request body becomes a message, or a BadRequest that says what to send instead."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Sequence
from typing import Any

from trainyard.contract.message import Message
from trainyard.errors import BadRequest
from trainyard.image.serve.prediction.codec import EXACT, JSON, Codec
from trainyard.image.serve.prediction.row_form import UNKNOWN, RowForm

EXAMPLE = 'send {"payload": {"instances": [[...], ...]}}'
_SEARCHED_BYTES = 1 << 20  # of a body that is not JSON, for the value that makes it none


def read_message(body: bytes, form: RowForm = UNKNOWN, codec: Codec | None = None) -> Message:
    """The message of a request body; one flat instance (``[1, 2, 3]``) becomes one row, where ``form`` says that it is.

    Rows are lists of one length (or, for functions that read them so, objects).

    Args:
        body: JSON.
        form: of the route's rows.
        codec: reads it; default: what keeps every number as it was sent.

    Raises:
        BadRequest: not JSON, no payload, no instances, or instances that are not rows of one length.
    """
    return message_of(parse(body, form, codec), form)


def message_of(value: Any, form: RowForm = UNKNOWN, *, may_be_flat: bool = True) -> Message:
    """The message that a parsed body is; ``may_be_flat``: as for ``RowForm.rows_of_scalars``.

    Raises:
        BadRequest: as ``read_message``.
    """
    if not isinstance(value, dict):
        raise BadRequest(f"the body is {_kind(value)}, not an object", EXAMPLE)
    payload = value.get("payload")
    if not isinstance(payload, dict):
        raise BadRequest(
            f'"payload" is {_kind(payload)}, not an object' if "payload" in value else 'the body has no "payload"',
            EXAMPLE,
        )
    if "instances" not in payload:
        raise BadRequest('the payload has no "instances"', EXAMPLE)
    payload["instances"] = rows_of(payload["instances"], form, may_be_flat=may_be_flat)
    return Message(value)


def rows_of(instances: Any, form: RowForm = UNKNOWN, *, may_be_flat: bool = True) -> list[Any]:
    """``instances`` as a non-empty list of rows.

    Raises:
        BadRequest: not a list, empty, or ragged.
    """
    if not isinstance(instances, list):
        raise BadRequest(f'"instances" is {_kind(instances)}, not a list of rows', EXAMPLE)
    if not instances:
        raise BadRequest('"instances" is empty', "send at least one row")
    kinds = set(map(type, instances))
    if kinds == {dict}:
        return instances
    if not kinds & {list, dict}:
        return form.rows_of_scalars(instances, may_be_flat=may_be_flat)
    if kinds != {list}:
        odd = next(number for number, row in enumerate(instances) if type(row) is not type(instances[0]))
        raise BadRequest(
            f"instances[{odd}] is {_kind(instances[odd])}, instances[0] is {_kind(instances[0])}",
            "send rows of one kind",
        )
    _check_lengths(instances)
    return instances


def _check_lengths(rows: list[list[Any]]) -> None:
    width = len(rows[0])
    if width == 0:
        raise BadRequest("instances[0] is an empty row", "send one value per column")
    if len(set(map(len, rows))) > 1:
        odd = next(number for number, row in enumerate(rows) if len(row) != width)
        raise BadRequest(
            f"instances[{odd}] has {len(rows[odd])} values, instances[0] has {width}", "send rows of one length"
        )


def parse(body: bytes, form: RowForm = UNKNOWN, codec: Codec | None = None) -> Any:
    """The value of a JSON body; the arguments are those of ``read_message``.

    Raises:
        BadRequest: it is none.
    """
    if not body.strip():
        raise BadRequest("the body is empty", EXAMPLE)
    try:
        return (codec or (JSON if form.schema else EXACT)).loads(body)
    except ValueError as error:
        if (text := behind_mark(body)) is not None:
            return parse(text, form, codec)
        if not _is_utf8(body):
            raise BadRequest("the body is not UTF-8 text", "encode it as UTF-8") from None
        if any(token in body for token in (b"NaN", b"Infinity")):
            where = _not_finite(body, form.names) or "it may hold NaN or Infinity"
            raise BadRequest(f"the body is not JSON: {where}", "send finite numbers") from None
        raise BadRequest(f"the body is not JSON: {error}", EXAMPLE) from None


def behind_mark(body: bytes) -> bytes | None:
    """What follows the byte order mark of UTF-8, which a parser may ignore (RFC 8259, 8.1); None where there is none.

    Raises:
        BadRequest: the body is UTF-16, with its mark or without.
    """
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in body[:2]:
        raise BadRequest("the body is UTF-16 text", "encode it as UTF-8")
    is_marked = body.startswith(codecs.BOM_UTF8) and not body.startswith(codecs.BOM_UTF8 * 2)
    return body.removeprefix(codecs.BOM_UTF8) if is_marked else None


def _not_finite(body: bytes, names: Sequence[str]) -> str:
    """Row and column of the first NaN or Infinity, which Python's own parser reads; empty where it finds none."""
    try:
        rows = rows_of(json.loads(body)["payload"]["instances"]) if len(body) <= _SEARCHED_BYTES else []
    except (BadRequest, KeyError, RecursionError, TypeError, ValueError):
        return ""
    for number, row in enumerate(rows):
        for position, value in row.items() if isinstance(row, dict) else enumerate(row):
            if isinstance(value, float) and not math.isfinite(value):
                is_named = isinstance(position, int) and len(names) == len(row)
                column = f"column {names[position]}" if is_named else f"column {position!r:.40}"
                return f"instances[{number}], {column}: {value}"
    return ""


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
