"""ONNX: the parts of a protobuf that say what a graph takes (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainyard.host.scaffold.fitted.described import Described, NotAModel

# Numbers of fields.
PRODUCER, PRODUCER_VERSION, GRAPH, OPERATORS = 2, 3, 7, 8  # of ModelProto
WEIGHTS, INPUTS, OUTPUTS = 5, 11, 12  # of GraphProto
EXTERNAL, PLACE_OF_DATA = 1, 14  # of TensorProto
TYPES = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 8: "string", 9: "bool", 11: "double"}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Input:
    """``shape``: a size that is not fixed is 0."""

    name: str
    kind: str
    shape: tuple[int, ...]


def is_onnx(content: bytes) -> bool:
    """Whether it is a ModelProto: begins with a version of the format, and has a graph and operators."""
    try:
        found = {number for number, _ in _fields(content)}
    except ValueError:
        return False
    return {1, GRAPH} <= found


def describe(content: bytes) -> Described:
    """Raises:
    NotAModel: it is damaged, or takes what no table has."""
    try:
        return _describe(content)
    except (ValueError, UnicodeDecodeError) as error:
        raise NotAModel(f"an ONNX model that is damaged ({error})", "copy it again") from None


def _describe(content: bytes) -> Described:
    model = [*_fields(content)]
    graph = [*_fields(_bytes(model, GRAPH))]
    weights = set()
    for value in _every(graph, WEIGHTS):
        tensor = [*_fields(value)]
        if any(number == PLACE_OF_DATA and found == EXTERNAL for number, found in tensor):
            raise NotAModel("an ONNX model with weights in another file", "save it as one file")
        weights.add(_bytes(tensor, 8).decode())
    inputs = [one for value in _every(graph, INPUTS) if (one := _input(value)).name not in weights]
    outputs = [_input(value).name for value in _every(graph, OUTPUTS)]
    if not inputs or not outputs:
        raise ValueError("it takes or gives nothing")
    if odd := next((one for one in inputs if not one.kind or len(one.shape) > 2), None):
        raise NotAModel(
            f"its input {odd.name[:40]!r} is not made of rows", "serve it by a predict function of your own"
        )
    by_name = len(inputs) > 1
    if by_name and any(one.shape[1:] not in ((), (1,), (0,)) for one in inputs):
        raise NotAModel("it has several inputs, and one of them is of several columns", "export it with one for each")
    width = len(inputs) if by_name else (inputs[0].shape[1] if len(inputs[0].shape) == 2 else 1)
    names = tuple(one.name for one in inputs) if by_name else ()
    texts = frozenset(range(width)) if not by_name and inputs[0].kind == "string" else frozenset(
        place for place, one in enumerate(inputs) if by_name and one.kind == "string"
    )  # fmt: skip
    producer = " ".join(filter(None, (_bytes(model, number).decode()[:40] for number in (PRODUCER, PRODUCER_VERSION))))
    producer = "".join(letter for letter in producer if letter.isalnum() or letter in " .-_+")
    facts = {"inputs": [[one.name, one.kind, len(one.shape)] for one in inputs], "outputs": outputs}
    return Described(
        "onnx", f"ONNX{f' of {producer}' if producer else ''}", ".onnx", ("numpy>=2,<3", "onnxruntime>=1.22,<2"),
        names, width, texts, facts=facts,
    ).check()  # fmt: skip


def _input(content: bytes) -> Input:
    value = [*_fields(content)]
    name = _bytes(value, 1).decode()
    tensor = [*_fields(_bytes([*_fields(_bytes(value, 2))], 1))]
    kind = next((TYPES.get(found, "") for number, found in tensor if number == 1 and isinstance(found, int)), "")
    sizes = (
        next((found for number, found in _fields(dimension) if number == 1 and isinstance(found, int)), 0)
        for dimension in _every([*_fields(_bytes(tensor, 2))], 1)
    )
    return Input(name, kind, tuple(sizes))


def _every(fields: list[tuple[int, int | bytes]], wanted: int) -> Iterator[bytes]:
    return (value for number, value in fields if number == wanted and isinstance(value, bytes))


def _bytes(fields: list[tuple[int, int | bytes]], wanted: int) -> bytes:
    return next(_every(fields, wanted), b"")


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, a number or bytes each.

    Raises:
        ValueError: it is no message.
    """
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == VARINT:
            number, place = _varint(content, place)
            yield key >> 3, number
            continue
        if kind == BYTES:
            size, place = _varint(content, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"a field of the kind {kind}")
        if place + size > len(content):
            raise ValueError("it ends too early")
        yield key >> 3, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            raise ValueError("it ends too early")
        byte = content[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise ValueError("a number that is too long")
