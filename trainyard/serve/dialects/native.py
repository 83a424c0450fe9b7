"""Trainyard's own dialect: ``{"payload": {"instances": [...]}}`` in, ``{"payload": {...}}`` out.

Rows alone may be sent, too: as CSV or as JSON lines, by their Content-Type.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from trainyard.message import Message
from trainyard.serve.dialect import Written, refuse_compressed
from trainyard.serve.dialects.body_rows import read_csv, read_json_lines
from trainyard.serve.error_answers import error_body
from trainyard.serve.prediction.codec import JSON
from trainyard.serve.prediction.endpoint import Endpoint
from trainyard.serve.prediction.message_body import read_message
from trainyard.serve.prediction.schema import Schema, order_rows
from trainyard.serve.request import Request

CSV_TYPE, JSON_LINES_TYPE = "text/csv", "application/x-ndjson"
RowReader = Callable[[bytes, Schema | None], list[Any]]
READERS: dict[str, RowReader] = {
    CSV_TYPE: read_csv,
    JSON_LINES_TYPE: read_json_lines,
    "application/jsonl": read_json_lines,
    "application/x-jsonlines": read_json_lines,
}


class Native:
    """``POST /<route>``. The endpoint's schema is looked up with each request: it is known once the route is warm."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def read(self, request: Request) -> Message:
        refuse_compressed(request)
        content_type = request.headers.get(b"content-type")
        if content_type != b"application/json" and content_type and (reader := row_reader(content_type)):
            return Message(payload={"instances": reader(request.body, self._endpoint.schema)})
        message = read_message(request.body, names=self._names)
        payload = message["payload"]
        if type(payload["instances"][0]) is dict and self._endpoint.schema:
            payload["instances"] = order_rows(self._endpoint.schema, payload["instances"])
        return message

    def write(self, answer: dict[str, Any], _request: Request) -> Written:
        return Written(JSON.dumps(answer))

    def error(self, _status: int, text: str) -> bytes:
        return error_body(text)

    def _names(self) -> Sequence[str]:
        return self._endpoint.schema.names if self._endpoint.schema else ()


@functools.lru_cache(maxsize=64)
def row_reader(content_type: bytes) -> RowReader | None:
    """What reads a body of rows alone. None for JSON, and for whatever else a client may say: curl -d says a form."""
    return READERS.get(content_type.partition(b";")[0].strip().lower().decode("latin-1"))
