"""Trainyard's own dialect: ``{"payload": {"instances": [...]}}`` in, ``{"payload": {...}}`` out.

Rows alone may be sent, too: as CSV or as JSON lines, by their Content-Type.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from trainyard.contract.message import Message
from trainyard.contract.schema import order_rows
from trainyard.errors import TrainyardError
from trainyard.image.serve.content_encoding import unpack
from trainyard.image.serve.dialect import Written
from trainyard.image.serve.dialects.body_rows import read_csv, read_json_lines
from trainyard.image.serve.error_answers import error_body
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.message_body import read_message
from trainyard.image.serve.prediction.row_form import RowForm
from trainyard.image.serve.request import Request

CSV_TYPE, JSON_LINES_TYPE = "text/csv", "application/x-ndjson"
RowReader = Callable[[bytes, RowForm], list[Any]]
READERS: dict[str, RowReader] = {
    CSV_TYPE: read_csv,
    JSON_LINES_TYPE: read_json_lines,
    "application/jsonl": read_json_lines,
    "application/x-jsonlines": read_json_lines,
}


class Native:
    """``POST /<route>``. The form of its rows is looked up with each request: it is known once the route is warm."""

    def __init__(self, endpoint: Endpoint, most_bytes: int = 0) -> None:
        """``most_bytes``: that a compressed body may hold."""
        self._endpoint = endpoint
        self._most_bytes = most_bytes

    def read(self, request: Request) -> Message:
        unpack(request, self._most_bytes)
        content_type = request.headers.get(b"content-type")
        if content_type != b"application/json" and content_type and (reader := row_reader(content_type)):
            return Message(payload={"instances": reader(request.body, self._endpoint.form)})
        form = self._endpoint.form
        message = read_message(request.body, form)
        payload = message["payload"]
        if type(payload["instances"][0]) is dict and form.schema:
            payload["instances"] = order_rows(form.schema, payload["instances"])
        return message

    def write(self, answer: dict[str, Any], _request: Request) -> Written:
        return Written(JSON.dumps(answer))

    def error(self, _status: int, text: str) -> bytes:
        return error_body(text)


def rehearse(endpoint: Endpoint, body: bytes) -> None:
    """Take a body through all that a request to the route goes through, alone and with another of its kind.

    Raises:
        TrainyardError: the request would be refused, or its answer cannot be written.
        Exception: whatever the function raises.
    """
    request = Request(None, "POST", f"/{endpoint.route.path}".encode(), b"", {}, body, "1.1", True, 0.0)
    dialect = Native(endpoint)
    for count in (1, 2):
        for answer in endpoint.answer_all([dialect.read(request) for _ in range(count)]):
            if isinstance(answer, Exception):
                raise answer
            try:
                dialect.write(answer, request)
            except TypeError as error:
                raise TrainyardError(f"{endpoint.route.module}.{endpoint.route.function}: {error}") from error


@functools.lru_cache(maxsize=64)
def row_reader(content_type: bytes) -> RowReader | None:
    """What reads a body of rows alone. None for JSON, and for whatever else a client may say: curl -d says a form."""
    return READERS.get(content_type.partition(b";")[0].strip().lower().decode("latin-1"))
