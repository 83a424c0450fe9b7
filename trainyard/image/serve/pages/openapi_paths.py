"""What the server answers beside predictions, as OpenAPI path items: one entry a path, in the order of the pages."""

from __future__ import annotations

from typing import Any

PathItem = dict[str, Any]


def read_only(summary: str, content_type: str, schema: dict[str, Any], **answers: str) -> PathItem:
    """A path that is read by GET; ``answers`` are further statuses, as ``s503="why"``."""
    responses: dict[str, Any] = {"200": {"description": summary, "content": {content_type: {"schema": schema}}}}
    for status, description in answers.items():
        responses[status.removeprefix("s")] = {"description": description}
    return {"get": {"summary": summary, "tags": ["Server"], "responses": responses}}


_READY = {
    "type": "object",
    "properties": {
        "ready": {"type": "boolean"},
        "routes": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "ready": {"type": "boolean"},
                    "version": {"type": ["string", "null"]},
                    "reason": {"type": "string"},
                    "refused": {"type": "string"},
                },
            },
        },
    },
    "required": ["ready", "routes"],
}
_HEALTH = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}

_JSON = "application/json"
_MODEL = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "description": "A route."}
_REFUSED = {
    "400": "It is not understood", "404": "There is no such model", "405": "It is asked for by GET",
    "408": "It did not arrive in time", "413": "It is too large",
    "415": "It is compressed in another way than gzip or deflate",
    "500": "The predict function raised", "503": "The model cannot be loaded, or too many wait",
    "504": "It took longer than TIMEOUT",
}  # fmt: skip


def _of_protocol(
    summary: str, method: str = "get", body: dict[str, Any] | None = None, answer: str = "object", **more: Any
) -> PathItem:
    """A path of another protocol; docs/protocols.md has what is taken, and what is answered."""
    refused = _REFUSED if method == "post" else {"404": _REFUSED["404"], "503": "Not ready"}
    answered = {"200": {"description": summary, "content": {_JSON: {"schema": {"type": answer}}}}}
    responses = answered | {status: {"description": text} for status, text in refused.items()}
    taken = {"requestBody": {"content": {_JSON: {"schema": body}}}} if body else {}
    return {method: {"summary": summary, "tags": ["Other protocols"], "responses": responses, **taken, **more}}


_TENSOR = {
    "type": "object",
    "properties": {
        "name": {"type": "string"}, "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}}, "data": {"type": "array"},
    },
    "required": ["name", "datatype", "shape", "data"],
}  # fmt: skip
_INFER = {"type": "object", "properties": {"inputs": {"type": "array", "items": _TENSOR}}, "required": ["inputs"]}
_INVOKED = {"type": "object", "properties": {"instances": {"type": "array"}}, "required": ["instances"]}

OTHER_PATHS: dict[str, PathItem] = {
    "/v2/models/{model}/infer": _of_protocol(
        "Predict by the Open Inference Protocol v2 (KServe, Triton)", "post", _INFER, parameters=[_MODEL]
    ),
    "/v2/models/{model}": _of_protocol("The model's inputs and outputs", parameters=[_MODEL]),
    "/v2/models/{model}/ready": _of_protocol("Whether the model is ready", parameters=[_MODEL]),
    "/v2/models": _of_protocol("The names of all models"),
    "/v2/repository/index": _of_protocol("All models and their states", "post", {"type": "object"}, "array"),
    "/v2/health/live": _of_protocol("Whether the process serves"),
    "/v2/health/ready": _of_protocol("Whether every model is ready"),
    "/v2": _of_protocol("This server"),
    "/invocations": _of_protocol("Predict as SageMaker and MLflow ask", "post", _INVOKED),
    "/ping": _of_protocol("Whether every model is ready, as SageMaker asks"),
    "/health": read_only("Whether the process serves", "application/json", _HEALTH),
    "/livez": read_only("The same", "application/json", _HEALTH),
    "/readyz": read_only(
        "Whether every model has predicted its sample",
        "application/json",
        _READY,
        s503="Why not, by route",
    ),
    "/metrics": read_only("What was counted, for Prometheus", "text/plain", {"type": "string"}),
    "/openapi.json": read_only("This document", "application/json", {"type": "object"}),
    "/docs": read_only("This document as a page", "text/html", {"type": "string"}),
    "/": read_only("The front page: routes, models, a form to try each", "text/html", {"type": "string"}),
}
