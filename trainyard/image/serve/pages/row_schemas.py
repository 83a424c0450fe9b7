"""A model's rows as JSON Schema (2020-12, as OpenAPI 3.1 has it), for people and for generated clients.

What training saw is described, not enforced: a number out of its range and a new category are answered, too.
"""

from __future__ import annotations

from typing import Any

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, TEXT, Column, text_of_days
from trainyard.contract.schema import Schema

MOST_CATEGORIES = 50  # of one column that are listed
_TYPES = {NUMBER: "number", BOOLEAN: "boolean"}
_ANY = {NUMBER: "any number", DATE: "any date", TEXT: "any text", BOOLEAN: "true or false"}
_EXAMPLES: dict[str, list[Any]] = {
    NUMBER: [0], DATE: ["2026-01-31"], TEXT: ["some text"], BOOLEAN: [True, False], CATEGORY: [""],
}  # fmt: skip


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
        "required": [column.name for column in schema.columns if not column.nullable],
        "additionalProperties": False,
    }


def value_schema(column: Column) -> dict[str, Any]:
    """What one value of a column is."""
    kind = _TYPES.get(column.kind, "string")
    types = [kind, "null"] if column.nullable else kind
    return {"type": types, "description": what_training_saw(column), "examples": example_values(column)}


def what_training_saw(column: Column) -> str:
    """``17 to 90, whole numbers``; ``9 values``: a fragment of a sentence."""
    return _what_training_saw(column) + (", may be missing" if column.nullable else "")


def _what_training_saw(column: Column) -> str:
    if column.kind == CATEGORY:
        count = len(column.categories)
        return f"{count} value{'s'[: count != 1]} in training"
    if column.kind not in (NUMBER, DATE) or column.minimum is None or column.maximum is None:
        return _ANY[column.kind]
    if column.kind == DATE:
        return f"{text_of_days(column.minimum)} to {text_of_days(column.maximum)} in training"
    whole = ", whole numbers" if column.is_integer else ""
    return f"{column.minimum:.10g} to {column.maximum:.10g} in training{whole}"


def example_values(column: Column) -> list[Any]:
    """Values that training saw: the ends of a range, or categories."""
    if column.kind == CATEGORY and column.categories:
        return list(column.categories[:MOST_CATEGORIES])
    if column.kind not in (NUMBER, DATE) or column.minimum is None or column.maximum is None:
        return _EXAMPLES[column.kind]
    if column.kind == DATE:
        return [text_of_days(column.minimum), text_of_days(column.maximum)]
    return [_plain(column, column.minimum), _plain(column, column.maximum)]


def example_row(schema: Schema) -> list[Any]:
    """A row to try a model with that has no sample."""
    return [example_values(column)[0] for column in schema.columns]


def _plain(column: Column, number: float) -> int | float:
    return int(number) if column.is_integer else number
