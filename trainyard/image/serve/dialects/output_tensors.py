"""The values of an answer as tensors of the Open Inference Protocol, v2: shape and datatype follow from the values."""

from __future__ import annotations

import math
import struct
from itertools import chain
from typing import Any, NamedTuple

from trainyard.image.serve.dialects.tensors import DATATYPES, MOST_DIMENSIONS
from trainyard.image.serve.prediction.codec import JSON

_JSON_TYPES = frozenset({bool, int, float, str, type(None), list, tuple, dict})
_LONG = DATATYPES["INT64"]


class OutputTensor(NamedTuple):
    """One output; ``values`` are flat, the last dimension running fastest."""

    name: str
    shape: list[int]
    datatype: str
    values: list[Any]

    def as_json(self) -> dict[str, Any]:
        """The object in ``outputs`` whose data is JSON."""
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape, "data": self.values}

    def as_binary(self) -> tuple[dict[str, Any], bytes]:
        """The object in ``outputs``, and the bytes that go behind the JSON.

        Raises:
            TypeError: a number that is too large for its datatype; text that is not Unicode.
        """
        data = self._bytes()
        parameters = {"binary_data_size": len(data)}
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape, "parameters": parameters}, data

    def _bytes(self) -> bytes:
        try:
            if self.datatype == "BYTES":
                texts = [value.encode() for value in self.values]
                return b"".join(chain.from_iterable((len(text).to_bytes(4, "little"), text) for text in texts))
            values = [math.nan if value is None else value for value in self.values]
            return struct.pack(f"<{len(values)}{DATATYPES[self.datatype].code}", *values)
        except (OverflowError, UnicodeEncodeError, struct.error) as error:
            raise TypeError(f"{self.name}: {error}") from None


def output_tensor(name: str, value: Any) -> OutputTensor | None:
    """The tensor of a list or an array; None for anything else, and where it is empty. TypeError as ``JSON.dumps``.

    Text is BYTES, whole numbers are INT64, other numbers FP64 (None: null, or NaN), truth values BOOL. What is none of
    these throughout is BYTES of its JSON.
    """
    flat = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(flat, (list, tuple)) or not flat:
        return None
    shape = [len(flat)]
    flat = _plain(flat)
    while len(shape) < MOST_DIMENSIONS and (size := _common_length(flat)):
        shape.append(size)
        flat = _plain(list(chain.from_iterable(flat)))
    datatype = _datatype(flat)
    if not datatype:
        datatype, flat = "BYTES", [item if isinstance(item, str) else JSON.dumps(item).decode() for item in flat]
    return OutputTensor(name, shape, datatype, flat)


def _plain(values: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Without numpy's types in it."""
    if set(map(type, values)) <= _JSON_TYPES:
        return list(values)
    return [value.tolist() if hasattr(value, "tolist") else value for value in values]


def _common_length(values: list[Any]) -> int:
    """How long each value is, where all are lists of one length; else 0."""
    if not set(map(type, values)) <= {list, tuple}:
        return 0
    lengths = set(map(len, values))
    return lengths.pop() if len(lengths) == 1 else 0


def _datatype(values: list[Any]) -> str:
    """Empty where the values have none in common."""
    types = set(map(type, values))
    if types == {str}:
        return "BYTES"
    if types == {bool}:
        return "BOOL"
    if types == {int}:
        return "INT64" if _LONG.least <= min(values) <= max(values) <= _LONG.most else ""
    return "FP64" if types <= {int, float, type(None)} and types != {type(None)} else ""
