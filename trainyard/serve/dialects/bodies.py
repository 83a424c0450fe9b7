"""The body of a request becomes a message: the one place for every dialect whose rows are not tensors."""

from __future__ import annotations

from typing import NamedTuple

from trainyard.message import Message
from trainyard.serve.http.request import Request
from trainyard.serve.prediction.message_body import message_of, parse


class Body(NamedTuple):
    """``wrapped``: its rows lay below ``payload``, as Trainyard's own clients send them."""

    message: Message
    wrapped: bool


def read_body(request: Request) -> Body:
    """``{"payload": {"instances": ...}}``, or ``{"instances": ..., "parameters": ...}`` as other servers' clients send.

    Raises:
        BadRequest: as ``message_of``.
    """
    value = parse(request.body)
    if not isinstance(value, dict) or "payload" in value or "instances" not in value:
        return Body(message_of(value), True)
    if not value.get("parameters"):  # clients send an empty one, too
        value.pop("parameters", None)
    return Body(message_of({"payload": value}), False)
