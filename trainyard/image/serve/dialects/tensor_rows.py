"""The tensors of a request become rows: one tensor for each column, or one for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainyard.contract.columns import BOOLEAN, NUMBER, TEXT, Column
from trainyard.contract.schema import Schema
from trainyard.errors import BadRequest
from trainyard.image.serve.dialects.tensors import Tensor

_SHOWN = 5


def rows_of_tensors(tensors: Sequence[Tensor], schema: Schema | None) -> list[Any]:
    """The rows that ``tensors`` hold.

    With a schema: a tensor for each column, of shape [rows] or [rows, 1], in any order, but for those that may be
    missing; or one of shape [rows, columns], where all columns are numbers, or all are text. Without: one tensor, whose
    first dimension is the rows.

    Raises:
        BadRequest: naming the tensor and the column.
    """
    first = tensors[0]
    if schema is None:
        if len(tensors) > 1:
            raise BadRequest(
                f"{len(tensors)} tensors, and the model's record names no columns", "send one tensor of rows"
            )
        return _nested(first.values, first.shape if len(first.shape) > 1 else [*first.shape, 1])
    if len(tensors) == 1 and (first.name not in schema.names or _is_matrix(first)):
        return _matrix(first, schema)
    return _by_column(tensors, schema)


def _matrix(tensor: Tensor, schema: Schema) -> list[Any]:
    width = len(schema.columns)
    if (tensor.shape[1:] or [1]) != [width]:
        raise BadRequest(
            f"input {tensor.name[:80]!r} has the shape {tensor.shape}, the model has {width} columns",
            f"send [rows, {width}], or one tensor for each column",
        )
    for column in schema.columns:
        _check_type(tensor, column)
    return _nested(tensor.values, [tensor.shape[0], width])


def _by_column(tensors: Sequence[Tensor], schema: Schema) -> list[Any]:
    names = schema.names
    found = {tensor.name: tensor for tensor in tensors}
    if len(found) < len(tensors):
        raise BadRequest("two inputs have one name", "name each once")
    if unknown := [name for name in found if name not in names]:
        raise BadRequest(f"input {unknown[0][:80]!r} is no column of the model", f"its columns: {_few(names)}")
    if missing := [column.name for column in schema.columns if column.name not in found and not column.nullable]:
        raise BadRequest(f"no input for the columns {_few(missing)}", "send a tensor for each column")
    rows = tensors[0].shape[0]
    for column in schema.columns:
        tensor = found.get(column.name)
        if tensor is None:
            continue
        if _is_matrix(tensor) or tensor.shape[0] != rows:
            raise BadRequest(
                f"input {tensor.name!r} has the shape {tensor.shape}, {tensors[0].name!r} {tensors[0].shape}",
                "send [rows] or [rows, 1], the same rows for each column",
            )
        _check_type(tensor, column)
    absent = [None] * rows
    return list(map(list, zip(*(found[name].values if name in found else absent for name in names), strict=True)))


_NEEDS = {NUMBER: "is a number: send FP64 or INT64", BOOLEAN: "is true or false: send BOOL"}


def _check_type(tensor: Tensor, column: Column) -> None:
    kind = BOOLEAN if tensor.datatype == "BOOL" else TEXT if tensor.datatype == "BYTES" else NUMBER
    if kind == (column.kind if column.kind in _NEEDS else TEXT):
        return
    needs = _NEEDS.get(column.kind, f"is a {column.kind}: send BYTES")
    raise BadRequest(
        f"input {tensor.name[:80]!r} is {tensor.datatype}, and the column {column.name!r} {needs}",
        "where columns differ, send one tensor for each",
    )


def datatype_of(column: Column) -> str:
    """The datatype to send a column in. Whole numbers that may be missing are FP64: no INT64 says that one is."""
    if column.kind == NUMBER:
        return "INT64" if column.is_integer and not column.nullable else "FP64"
    return "BOOL" if column.kind == BOOLEAN else "BYTES"


def _is_matrix(tensor: Tensor) -> bool:
    return len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] > 1)


def _nested(values: list[Any], shape: Sequence[int]) -> list[Any]:
    """Lists of lists, as deep as ``shape`` has dimensions."""
    for size in reversed(shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
