"""``/openapi.json``: what this server answers, as OpenAPI 3.1, from its routes and its models' records."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

from trainyard import __version__
from trainyard.contract.schema import Schema
from trainyard.image.serve.application import Application
from trainyard.image.serve.dialects.native import CSV_TYPE, JSON_LINES_TYPE
from trainyard.image.serve.pages.openapi_paths import OTHER_PATHS
from trainyard.image.serve.pages.row_schemas import example_row, list_row, object_row
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.page_values import presentable
from trainyard.image.serve.request import JSON_TYPE

LOG = logging.getLogger("trainyard.serve")
# The answers to a prediction that are no prediction; each has the one shape of errors.
ERRORS = {
    400: "The body is not understood, or the function refuses a row.",
    408: "The body did not arrive in time.",
    413: "The body is larger than MAX_BODY_MB, or unpacks to more.",
    415: "The body is compressed, and not by gzip or deflate.",
    500: "The predict function raised: the log has it under the request id that the answer carries.",
    503: "The model cannot be loaded, or too many requests wait: the error says why.",
    504: "The prediction took longer than TIMEOUT.",
}
# Of a route whose model's record names its columns.
OF_RANGES = "Ranges and categories are what training saw; other values are answered, too."
OF_COLUMNS, REFUSED_ROW = (
    "400.columns",
    "The body is not understood, or a row is not of the model's columns: the error names row and column.",
)
ERROR_SCHEMA = {
    "type": "object",
    "properties": {
        "payload": {
            "type": "object",
            "properties": {"success": {"const": False}, "error": {"type": "string"}},
            "required": ["success", "error"],
        }
    },
    "required": ["payload"],
}
_ANY_ROW = {"description": "A row, as the predict function takes it."}


def parts(application: Application) -> dict[str, Any]:
    """What the document says of the routes that this process answers: paths, schemas, names of models."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    names = _unique_names(application.every_path)
    for endpoint in application.endpoints:
        path = endpoint.route.path
        try:
            described, rows = _prediction(names[path], endpoint), _row_schemas(names[path], endpoint)
        except Exception:  # what a record says may break the description of its own route, and no other
            LOG.exception("route /%s cannot be described", path)
            described, rows = _silent(names[path], endpoint.reason or "its record cannot be shown"), {}
        schemas |= rows
        paths[f"/{path}"] = {"post": described}
    models = sorted({model.name for endpoint in application.endpoints for model in endpoint.models})
    return {"paths": paths, "schemas": schemas, "models": models}


def document(
    found: Sequence[dict[str, Any]], silent: dict[str, str], every_path: Sequence[str], root: str = ""
) -> dict[str, Any]:
    """The document, as it is at this moment: models and their schemas may have been replaced since the last one.

    Args:
        found: ``parts`` of this process, and of other groups of models.
        silent: routes that nothing is known of, and why.
        every_path: all routes, in their order.
        root: what stands before every path.
    """
    names = _unique_names(every_path)
    known = {path: item for part in found for path, item in part["paths"].items()}
    known |= {f"/{path}": {"post": _silent(names[path], reason)} for path, reason in silent.items()}
    paths = {f"/{path}": known[f"/{path}"] for path in every_path if f"/{path}" in known}
    schemas = {"error": ERROR_SCHEMA} | {name: schema for part in found for name, schema in part["schemas"].items()}
    models = sorted({name for part in found for name in part["models"]})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": ", ".join(models[:3]) if 0 < len(models) <= 3 else "Predictions",
            "version": __version__,
            **({"description": OF_RANGES} if len(schemas) > 1 else {}),
        },
        **({"servers": [{"url": root}]} if root else {}),
        "tags": [{"name": "Predictions"}, {"name": "Other protocols"}, {"name": "Server"}],
        "paths": paths | {path: item for path, item in OTHER_PATHS.items() if path not in paths},
        "components": {
            "schemas": schemas,
            "responses": {
                str(name): {"description": text, "content": {JSON_TYPE: {"schema": _ref("schemas", "error")}}}
                for name, text in (ERRORS | {OF_COLUMNS: REFUSED_ROW}).items()
            },
        },
    }


def sample_of(endpoint: Endpoint) -> list[Any]:
    """Rows to try a route with: its sample, else a row that the schema makes up, else none."""
    rows: list[Any] = presentable(endpoint.sample_rows)
    return rows or ([example_row(endpoint.schema)] if endpoint.schema else [])


def _row_schemas(name: str, endpoint: Endpoint) -> dict[str, Any]:
    schema = endpoint.schema
    return {f"{name}.list": list_row(schema), f"{name}.object": object_row(schema)} if schema else {}


def _prediction(name: str, endpoint: Endpoint) -> dict[str, Any]:
    models = [{"name": model.name, "version": model.version} for model in endpoint.models]
    by = ", ".join(f"{model['name']} (version {model['version']})" for model in models)
    return {
        "operationId": name,
        "summary": f"Predict by {by or endpoint.route.function}",
        "tags": ["Predictions"],
        "x-models": models,
        "requestBody": {"required": True, "content": _bodies(name, endpoint)},
        "responses": {
            "200": {"description": "Predictions, in the order of the rows.", "content": {JSON_TYPE: _answer(endpoint)}},
            **{str(status): _ref("responses", str(status)) for status in ERRORS},
            **({"400": _ref("responses", OF_COLUMNS)} if endpoint.schema else {}),
        },
    }


def _silent(name: str, reason: str) -> dict[str, Any]:
    """A route whose group of models does not say what it is."""
    responses = {str(status): _ref("responses", str(status)) for status in ERRORS}
    return {"operationId": name, "summary": f"Not ready: {reason}", "tags": ["Predictions"], "responses": responses}


def _bodies(name: str, endpoint: Endpoint) -> dict[str, Any]:
    rows = sample_of(endpoint)
    known = endpoint.schema is not None
    row = _ref("schemas", f"{name}.list") if known else _ANY_ROW
    forms: list[dict[str, Any]] = [{"type": "array", "minItems": 1, "items": row}]
    if known:
        forms += [{"type": "array", "minItems": 1, "items": _ref("schemas", f"{name}.object")}, row]
    payload = {"type": "object", "properties": {"instances": {"anyOf": forms}}, "required": ["instances"]}
    message = {"type": "object", "properties": {"payload": payload}, "required": ["payload"]}
    named = "; a first line may name the columns" if known else ""
    bodies: dict[str, Any] = {
        JSON_TYPE: {"schema": message},
        CSV_TYPE: {"schema": {"type": "string", "description": f"One row a line{named}."}},
        JSON_LINES_TYPE: {"schema": {"type": "string", "description": "One row a line, as JSON."}},
    }
    if rows:
        bodies[JSON_TYPE]["example"] = {"payload": {"instances": rows}}
        bodies[JSON_LINES_TYPE]["example"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        if all(isinstance(row, list) for row in rows):
            bodies[CSV_TYPE]["example"] = _csv(rows, endpoint.schema)
    return bodies


def _csv(rows: Iterable[Sequence[Any]], schema: Schema | None) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*([schema.names] if schema else []), *rows])
    return text.getvalue()


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    items: dict[str, Any] = {"type": "array", "description": "One for each row."}
    properties = {
        "predictions": items,
        "scores": {"type": "array", "description": "One list for each row, in the order of labels."},
        "labels": {"type": "array", "description": "The classes."},
    }
    answer = {"type": "object", "properties": {"payload": {"type": "object", "properties": properties}}}
    sample = endpoint.models[0].record.get("sample") if len(endpoint.models) == 1 else None
    example = {key: value for key, value in sample.items() if key != "instances"} if isinstance(sample, dict) else {}
    return {"schema": answer | {"required": ["payload"]}} | ({"example": {"payload": example}} if example else {})


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _unique_names(paths: Iterable[str]) -> dict[str, str]:
    """``predict_adult_income``: names of operations, which hold letters, digits and ``_`` alone; by path."""
    names: dict[str, str] = {}
    for path in paths:
        name = base = "predict_" + re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_")
        number = 1
        while name in names.values():
            number += 1
            name = f"{base}_{number}"
        names[path] = name
    return names
