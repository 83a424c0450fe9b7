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

OTHER_PATHS: dict[str, PathItem] = {
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
