"""A model's rows as JSON Schema (2020-12, as OpenAPI 3.1 has it), for people and for generated clients.

What training saw is described, not enforced: a number out of its range and a new category are answered, too.
"""

from __future__ import annotations

from typing import Any

from trainyard.serve.prediction.schema import Column, Schema

MOST_CATEGORIES = 50  # of one column that are listed


def list_row(schema: Schema) -> dict[str, Any]:
    """A row as a list."""
    width = len(schema.columns)
    return {
        "type": "array",
        "description": "One value for each column.",
        "prefixItems": [{"title": column.name, **value_schema(column)} for column in schema.columns],
        "minItems": width,
        "maxItems": width,
    }


def object_row(schema: Schema) -> dict[str, Any]:
    """A row as an object keyed by the names of the columns."""
    return {
        "type": "object",
        "properties": {column.name: value_schema(column) for column in schema.columns},
        "required": list(schema.names),
        "additionalProperties": False,
    }


def value_schema(column: Column) -> dict[str, Any]:
    """What one value of a column is."""
    kind = "number" if column.is_number else "string"
    return {"type": kind, "description": what_training_saw(column), "examples": example_values(column)}


def what_training_saw(column: Column) -> str:
    """``17 to 90, whole numbers``; ``9 values``: a fragment of a sentence."""
    if not column.is_number:
        count = len(column.categories)
        return f"{count} value{'s'[: count != 1]} in training"
    if column.minimum is None or column.maximum is None:
        return "any number"
    whole = ", whole numbers" if column.is_integer else ""
    return f"{column.minimum:.10g} to {column.maximum:.10g} in training{whole}"


def example_values(column: Column) -> list[Any]:
    """Values that training saw: the ends of a range, or categories."""
    if not column.is_number:
        return list(column.categories[:MOST_CATEGORIES]) or [""]
    if column.minimum is None or column.maximum is None:
        return [0]
    return [_plain(column, column.minimum), _plain(column, column.maximum)]


def example_row(schema: Schema) -> list[Any]:
    """A row to try a model with that has no sample."""
    return [example_values(column)[0] for column in schema.columns]


def _plain(column: Column, number: float) -> int | float:
    return int(number) if column.is_integer else number
