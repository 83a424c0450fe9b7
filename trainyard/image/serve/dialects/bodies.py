"""The body of a request becomes a message, as other servers' clients send it, or as ours do."""

from __future__ import annotations

from typing import NamedTuple

from trainyard.contract.message import Message
from trainyard.contract.schema import order_rows
from trainyard.image.serve.dialects.native import row_reader
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.message_body import message_of, parse
from trainyard.image.serve.request import Request


class Body(NamedTuple):
    """``wrapped``: its rows lay below ``payload``, as Trainyard's own clients send them."""

    message: Message
    wrapped: bool


def read_body(request: Request, endpoint: Endpoint) -> Body:
    """``{"instances": ..., "parameters": ...}``, ``{"payload": {"instances": ...}}``, or rows alone: CSV, JSON lines.

    Raises:
        BadRequest: as ``message_of``, and as the readers of rows.
    """
    form = endpoint.form
    if reader := row_reader(request.headers.get(b"content-type", b"")):
        return Body(Message(payload={"instances": reader(request.body, form)}), False)
    value = parse(request.body, form)
    wrapped = not isinstance(value, dict) or "payload" in value or "instances" not in value
    if not wrapped and not value.get("parameters"):  # clients send an empty one, too
        value.pop("parameters", None)
    message = message_of(value if wrapped else {"payload": value}, form, may_be_flat=wrapped)
    rows = message["payload"]["instances"]
    if form.schema and isinstance(rows[0], dict):
        message["payload"]["instances"] = order_rows(form.schema, rows)
    return Body(message, wrapped)
