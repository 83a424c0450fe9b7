"""``{"instances": [...]}``: how SageMaker's and Vertex AI's clients ask a container.

SageMaker leaves the JSON to the container: what the function returned is answered as it is. Vertex AI wants
``{"predictions": [...]}`` with one for each instance (custom container requirements, "Response requirements"). Our own
message is understood at both paths, and answered as everywhere. Rows alone, as CSV or JSON lines, are read by their
Content-Type.
"""

from __future__ import annotations

from typing import Any

from trainyard.contract.message import Message
from trainyard.image.serve.content_encoding import unpack
from trainyard.image.serve.dialect import Written
from trainyard.image.serve.dialects.bodies import read_body
from trainyard.image.serve.error_answers import plain_error_body
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.request import Request


class Instances:
    """One for each request, since the answer is written as the request was."""

    __slots__ = ("_endpoint", "_most_bytes", "_only_predictions", "_rows", "_wrapped")

    def __init__(self, endpoint: Endpoint, most_bytes: int = 0, *, only_predictions: bool) -> None:
        """``most_bytes``: that a compressed body may hold. ``only_predictions``: as Vertex AI wants it."""
        self._endpoint = endpoint
        self._most_bytes = most_bytes
        self._only_predictions = only_predictions
        self._rows = 0
        self._wrapped = False

    def read(self, request: Request) -> Message:
        unpack(request, self._most_bytes)
        message, self._wrapped = read_body(request, self._endpoint)
        self._rows = len(message.payload["instances"])
        return message

    def write(self, answer: dict[str, Any], _request: Request) -> Written:
        if self._wrapped:
            return Written(JSON.dumps(answer))
        payload = answer["payload"]
        if self._only_predictions:
            payload = {"predictions": self._predictions(payload)}
        return Written(JSON.dumps(payload))

    def error(self, _status: int, text: str) -> bytes:
        return plain_error_body(text)

    def _predictions(self, payload: Any) -> Any:
        predictions: Any = payload.get("predictions") if isinstance(payload, dict) else None
        if not hasattr(predictions, "__getitem__") or len(predictions) != self._rows:
            raise TypeError(f"not one prediction for each of {self._rows} instances, as Vertex AI wants them")
        return predictions
