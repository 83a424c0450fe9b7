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


_HEALTH = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}

OTHER_PATHS: dict[str, PathItem] = {
    "/health": read_only("Whether the process serves", "application/json", _HEALTH),
    "/openapi.json": read_only("This document", "application/json", {"type": "object"}),
    "/docs": read_only("This document as a page", "text/html", {"type": "string"}),
    "/": read_only("The front page: routes, models, a form to try each", "text/html", {"type": "string"}),
}
