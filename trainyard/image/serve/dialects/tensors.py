"""Tensors of the Open Inference Protocol, v2, as requests carry them: in JSON, or as bytes behind it.

After kserve/open-inference-protocol (inference_rest.md) and Triton's binary tensor data extension. Without numpy, which
an image may lack. Nothing is allocated by what a request claims: every size is compared with the data that came.
"""

from __future__ import annotations

import math
import struct
from itertools import chain
from typing import Any, NamedTuple

from trainyard.errors import BadRequest, TrainyardError

MOST_DIMENSIONS = 8
MOST_VALUES = 1 << 22  # of one request: a value of one byte becomes a row of a hundred


class TooManyValues(TrainyardError):
    """More values than one request may hold; HTTP 413."""

    http_status = 413


class DataType(NamedTuple):
    """How ``struct`` calls it, which JSON values it takes, and between which bounds where they are whole numbers."""

    code: str
    types: frozenset[type]
    least: int = 0
    most: int = 0


def _whole(code: str) -> DataType:
    bits = 8 * struct.calcsize(f"<{code}")
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if code.islower() else (0, (1 << bits) - 1)
    return DataType(code, frozenset({int}), least, most)


_REAL: frozenset[type] = frozenset({float, int, type(None)})  # null is a missing value
_TEXT: frozenset[type] = frozenset({str, type(None)})
DATATYPES: dict[str, DataType] = {
    "BOOL": DataType("?", frozenset({bool})),
    **{f"UINT{bits}": _whole(code) for bits, code in ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))},
    **{f"INT{bits}": _whole(code) for bits, code in ((8, "b"), (16, "h"), (32, "i"), (64, "q"))},
    **{f"FP{bits}": DataType(code, _REAL) for bits, code in ((16, "e"), (32, "f"), (64, "d"))},
    "BYTES": DataType("", _TEXT),
}


class Tensor(NamedTuple):
    """One input. ``values`` are flat, the last dimension running fastest; as many as ``shape`` says."""

    name: str
    shape: list[int]
    datatype: str
    values: list[Any]


def read_tensors(inputs: Any, binary: bytes) -> list[Tensor]:
    """The tensors of a request: its ``inputs``, and the bytes that followed its JSON.

    Raises:
        BadRequest: an input that is not understood, with its name; bytes that are left over.
        TooManyValues: more than ``MOST_VALUES``.
    """
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest(
            '"inputs" is not a list of tensors', 'send {"inputs": [{"name", "shape", "datatype", "data"}]}'
        )
    tensors: list[Tensor] = []
    view = memoryview(binary)
    taken = values = 0
    for number, entry in enumerate(inputs):
        tensor, size = _read_tensor(entry, number, view[taken:], MOST_VALUES - values)
        taken, values = taken + size, values + len(tensor.values)
        tensors.append(tensor)
    if taken != len(binary):
        raise BadRequest(
            f"{len(binary) - taken} bytes follow the last tensor", "let the binary_data_size of the inputs add up"
        )
    return tensors


def _read_tensor(entry: Any, number: int, binary: memoryview, room: int) -> tuple[Tensor, int]:
    """A tensor, and how many bytes of ``binary`` it took."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise BadRequest(f"inputs[{number}] is not an object with a name", "name each tensor")
    where = f"input {name[:80]!r}"
    datatype = entry.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise BadRequest(f"{where}: {str(datatype)[:20]!r} is not a datatype", f"use one of {', '.join(DATATYPES)}")
    shape = _read_shape(entry.get("shape"), where)
    count = math.prod(shape)
    if count > room:
        raise TooManyValues(f"{where}: a request holds at most {MOST_VALUES} values", "send fewer rows at a time")
    parameters = entry.get("parameters") or {}
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        values = _from_json(entry.get("data"), shape, datatype, where)
        return Tensor(name, shape, datatype, values), 0
    if type(size) is not int or not 0 <= size <= len(binary):
        raise BadRequest(
            f"{where}: binary_data_size is {str(size)[:20]}, and {len(binary)} bytes are there",
            "send the data behind the JSON, whose length Inference-Header-Content-Length says",
        )
    return Tensor(name, shape, datatype, _from_bytes(binary[:size], count, datatype, where)), size


def _read_shape(shape: Any, where: str) -> list[int]:
    if not isinstance(shape, list) or not 1 <= len(shape) <= MOST_DIMENSIONS:
        raise BadRequest(f"{where}: the shape is not a list of 1 to {MOST_DIMENSIONS} numbers", "send [rows, columns]")
    if any(type(size) is not int or size < 1 for size in shape):
        raise BadRequest(f"{where}: the shape is {str(shape)[:80]}", "send whole numbers, 1 or more")
    return shape


def _from_json(data: Any, shape: list[int], datatype: str, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise BadRequest(f'{where}: "data" is not a list', "send a list of values, or binary_data_size")
    values = _flat(data, shape, where)
    count = math.prod(shape)
    if len(values) != count:
        raise BadRequest(f"{where}: {len(values)} values where the shape {shape} has {count}", "make them agree")
    expected = DATATYPES[datatype]
    if not set(map(type, values)) <= expected.types:
        odd = next(number for number, value in enumerate(values) if type(value) not in expected.types)
        raise BadRequest(f"{where}: value {odd} is not of datatype {datatype}", "say the datatype that the values have")
    if expected.most and not expected.least <= min(values) <= max(values) <= expected.most:
        raise BadRequest(f"{where}: a value is beyond {datatype}", "choose a wider datatype")
    return values


def _flat(data: list[Any], shape: list[int], where: str) -> list[Any]:
    """Data may be flat or nested as its shape is (inference_rest.md)."""
    if type(data[0] if data else None) is not list:
        return data
    level = [data]
    for depth, size in enumerate(shape):
        if any(type(part) is not list or len(part) != size for part in level):
            raise BadRequest(f"{where}: the data is not nested as its shape {shape}, dimension {depth}", "send it flat")
        level = list(chain.from_iterable(level))
    return level


def _from_bytes(data: memoryview, count: int, datatype: str, where: str) -> list[Any]:
    """Little-endian, without padding; text as its length in 4 bytes and its UTF-8."""
    code = DATATYPES[datatype].code
    if not code:
        return _texts(data, count, where)
    size = count * struct.calcsize(f"<{code}")
    if len(data) != size:
        raise BadRequest(f"{where}: {len(data)} bytes where its shape and datatype take {size}", "make them agree")
    values = list(struct.unpack(f"<{count}{code}", data))
    if DATATYPES[datatype].types is _REAL and any(map(math.isnan, values)):  # how bytes say what null says in JSON
        return [None if math.isnan(value) else value for value in values]
    return values


def _texts(data: memoryview, count: int, where: str) -> list[Any]:
    texts: list[str] = []
    start = 0
    while start < len(data) and len(texts) < count:
        end = start + 4 + (int.from_bytes(data[start : start + 4], "little") if start + 4 <= len(data) else 0)
        if end > len(data):
            raise BadRequest(f"{where}: its bytes end within value {len(texts)}", "write each length as 4 bytes")
        try:
            texts.append(str(data[start + 4 : end], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequest(f"{where}: value {len(texts)} is not UTF-8 text", "encode it as UTF-8") from None
        start = end
    if len(texts) != count or start != len(data):
        raise BadRequest(f"{where}: its bytes do not hold the {count} values of its shape", "make them agree")
    return texts
