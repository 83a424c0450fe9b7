"""Trainyard's own dialect: ``{"payload": {"instances": [...]}}`` in, ``{"payload": {...}}`` out."""

from __future__ import annotations

from typing import Any

from trainyard.message import Message
from trainyard.serve.dialects.dialect import Written, refuse_compressed
from trainyard.serve.http.error_answers import error_body
from trainyard.serve.http.request import Request
from trainyard.serve.prediction.codec import JSON
from trainyard.serve.prediction.message_body import read_message


class Native:
    """``POST /<route>``."""

    def read(self, request: Request) -> Message:
        refuse_compressed(request)
        return read_message(request.body)

    def write(self, answer: dict[str, Any], _request: Request) -> Written:
        return Written(JSON.dumps(answer))

    def error(self, _status: int, text: str) -> bytes:
        return error_body(text)
