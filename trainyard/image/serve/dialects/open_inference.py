"""The Open Inference Protocol, v2 (kserve/open-inference-protocol, inference_rest.md), with Triton's binary tensors."""

from __future__ import annotations

from typing import Any

from trainyard.contract.message import Message
from trainyard.errors import BadRequest
from trainyard.image.serve.content_encoding import unpack
from trainyard.image.serve.dialect import Written
from trainyard.image.serve.dialects.model_names import version_of
from trainyard.image.serve.dialects.output_tensors import OutputTensor, output_tensor
from trainyard.image.serve.dialects.tensor_rows import rows_of_tensors
from trainyard.image.serve.dialects.tensors import read_tensors
from trainyard.image.serve.error_answers import plain_error_body
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.message_body import parse
from trainyard.image.serve.request import Request

OUTPUTS = ("predictions", "scores")  # of an answer; what else is in it goes into the parameters
HEADER_LENGTH = "Inference-Header-Content-Length"
_HEADER_LENGTH = HEADER_LENGTH.lower().encode()
BINARY_TYPE = "application/octet-stream"


class OpenInference:
    """``POST /v2/models/<m>[/versions/<v>]/infer``: one for each request, since the answer depends on what it asked."""

    __slots__ = ("_binary", "_endpoint", "_id", "_most_bytes", "_name", "_outputs")

    def __init__(self, endpoint: Endpoint, name: str, most_bytes: int = 0) -> None:
        """``name``: of the model, as the request called it. ``most_bytes``: that a compressed body may hold."""
        self._endpoint = endpoint
        self._most_bytes = most_bytes
        self._name = name
        self._id: str | None = None
        self._binary = False
        self._outputs: dict[str, bool] = {}  # asked for, and whether as bytes; none: all

    def read(self, request: Request) -> Message:
        unpack(request, self._most_bytes)
        header, binary = _cut(request)
        asked = parse(header, self._endpoint.form)
        if not isinstance(asked, dict):
            raise BadRequest("the body is not an object", 'send {"inputs": [...]}')
        self._id = asked.get("id")
        if self._id is not None and not isinstance(self._id, str):
            raise BadRequest('"id" is not text', "send text, or none")
        parameters = _object(asked, "parameters", "the request")
        self._binary = parameters.pop("binary_data_output", False) is True
        self._outputs = _asked_outputs(asked.get("outputs"), self._binary)
        payload: dict[str, Any] = {
            "instances": rows_of_tensors(read_tensors(asked.get("inputs"), binary), self._endpoint.schema)
        }
        if parameters:
            payload["parameters"] = parameters
        return Message(payload=payload)

    def write(self, answer: dict[str, Any], _request: Request) -> Written:
        payload = answer["payload"]
        if not isinstance(payload, dict):
            raise TypeError("its payload is not an object")
        tensors = output_tensors(payload)
        head: dict[str, Any] = {"model_name": self._name}
        if version := version_of(self._endpoint):
            head["model_version"] = version
        if self._id is not None:
            head["id"] = self._id
        if parameters := {key: value for key, value in payload.items() if key not in tensors}:
            head["parameters"] = parameters
        return self._written(head, tensors)

    def error(self, _status: int, text: str) -> bytes:
        return plain_error_body(text)

    def _written(self, head: dict[str, Any], tensors: dict[str, OutputTensor]) -> Written:
        outputs, pieces = [], []
        for name, binary in (self._outputs or dict.fromkeys(tensors, self._binary)).items():
            if name not in tensors:
                raise BadRequest(f"the model has no output {name[:80]!r}", f"it has {', '.join(tensors) or 'none'}")
            if binary:
                described, data = tensors[name].as_binary()
                pieces.append(data)
            else:
                described = tensors[name].as_json()
            outputs.append(described)
        body = JSON.dumps(head | {"outputs": outputs})
        if not pieces:
            return Written(body)
        return Written(b"".join((body, *pieces)), BINARY_TYPE, f"{HEADER_LENGTH}: {len(body)}\r\n")


def output_tensors(payload: dict[str, Any]) -> dict[str, OutputTensor]:
    """The tensors of an answer, by name."""
    found = ((name, output_tensor(name, payload.get(name))) for name in OUTPUTS)
    return {name: tensor for name, tensor in found if tensor is not None}


def _cut(request: Request) -> tuple[bytes, bytes]:
    """The JSON of a request, and the bytes behind it."""
    length = request.headers.get(_HEADER_LENGTH)
    if length is None:
        return request.body, b""
    if not length.isdigit() or len(length) > 18 or int(length) > len(request.body):
        raise BadRequest(
            f"{HEADER_LENGTH} is {length[:20].decode('latin-1')!r}, and the body has {len(request.body)} bytes",
            "say how many of them are JSON",
        )
    return request.body[: int(length)], request.body[int(length) :]


def _asked_outputs(outputs: Any, binary: bool) -> dict[str, bool]:
    """Whether each is asked for as bytes; ``binary`` where it does not say."""
    if outputs is None:
        return {}
    if not isinstance(outputs, list):
        raise BadRequest('"outputs" is not a list', 'send [{"name": "predictions"}], or none')
    asked: dict[str, bool] = {}
    for number, entry in enumerate(outputs):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise BadRequest(f"outputs[{number}] is not an object with a name", "name each output")
        asked[name] = _object(entry, "parameters", f"outputs[{number}]").get("binary_data", binary) is True
    return asked


def _object(parent: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f'"{key}" of {where} is not an object', "leave it away, or send an object")
    return value
