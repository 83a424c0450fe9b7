"""The tensor parser, against anything that a client may send."""

import copy
import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.contract.columns import CATEGORY, NUMBER, Column
from trainyard.contract.schema import Schema
from trainyard.errors import BadRequest, TrainyardError
from trainyard.image.serve.dialects.model_names import asked_by
from trainyard.image.serve.dialects.open_inference import OpenInference
from trainyard.image.serve.dialects.output_tensors import output_tensor
from trainyard.image.serve.dialects.tensor_rows import rows_of_tensors
from trainyard.image.serve.dialects.tensors import DATATYPES, TooManyValues, read_tensors
from trainyard.image.serve.prediction.row_form import RowForm
from trainyard.image.serve.request import Request

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = {
    "BYTES": TEXT,
    "BOOL": st.booleans(),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FP64": st.floats(allow_nan=False),
}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)
SCHEMAS = st.sampled_from(
    [
        None,
        Schema((Column("a", True),)),
        Schema((Column("a", True), Column("b", True))),
        Schema((Column("a", True), Column("b", False))),
    ]
)


def nested(values, shape):
    for size in reversed(shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


@given(kind=st.sampled_from(list(VALUES)), shape=SHAPES, data=st.data())
def test_what_is_written_is_read_as_it_was(kind, shape, data):
    count = math.prod(shape)
    values = data.draw(st.lists(VALUES[kind], min_size=count, max_size=count))
    tensor = output_tensor("x", nested(values, shape))
    assert (tensor.shape, tensor.datatype) == (shape, kind)
    described, binary = tensor.as_binary()
    (of_bytes,) = read_tensors([described], binary)
    (of_json,) = read_tensors([json.loads(json.dumps(tensor.as_json()))], b"")
    (of_nested,) = read_tensors([tensor.as_json() | {"data": nested(values, shape)}], b"")
    assert of_bytes.values == of_json.values == of_nested.values == values
    assert of_bytes.shape == shape


@pytest.mark.parametrize("name", sorted(set(DATATYPES) - {"BYTES"}))
def test_numbers_are_little_endian_as_numpy_writes_them(name):
    dtype = {"BOOL": "?"}.get(name) or name.replace("FP", "float").lower()
    array = np.array([0, 1, 100], dtype)
    entry = {"name": "x", "shape": [3], "datatype": name, "parameters": {"binary_data_size": array.nbytes}}
    assert read_tensors([entry], array.tobytes())[0].values == array.tolist()


@st.composite
def entries(draw):
    """Tensors that are right, but for what was changed in them."""
    kind = draw(st.sampled_from([*DATATYPES]))
    shape = draw(st.sampled_from([[1], [2], [2, 1], [2, 2], [1, 2, 2]]))
    entry = {"name": draw(st.sampled_from("abx")), "datatype": kind, "shape": shape}
    if draw(st.booleans()):
        entry["parameters"] = {"binary_data_size": draw(st.integers(0, 64))}
    else:
        value = {"BYTES": "t", "BOOL": True}.get(kind, 1)
        entry["data"] = [value] * math.prod(shape)
    for key in draw(st.sets(st.sampled_from(["name", "datatype", "shape", "data", "parameters"]), max_size=1)):
        entry[key] = draw(JUNK)
    return entry


@pytest.mark.slow
@settings(max_examples=300)
@given(inputs=st.lists(entries(), max_size=3) | JUNK, binary=st.binary(max_size=100), schema=SCHEMAS)
def test_tensors_become_rows_or_a_bad_request_in_one_line(inputs, binary, schema):
    try:
        rows = rows_of_tensors(read_tensors(inputs, binary), schema)
    except TrainyardError as error:
        assert error.http_status in (400, 413)
        assert "\n" not in str(error)
        assert len(str(error)) < 600
        return
    assert rows
    assert len({len(row) for row in rows}) == 1
    if schema:
        assert len(rows[0]) == len(schema.columns)


class AnyEndpoint:
    """What the dialect asks of an endpoint."""

    models = ()
    schema = Schema((Column("a", NUMBER), Column("b", CATEGORY)))
    form = RowForm.of(schema, ())


GOOD = json.dumps(
    {
        "id": "1",
        "inputs": [
            {"name": "a", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
            {"name": "b", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 12}},
        ],
        "outputs": [{"name": "predictions", "parameters": {"binary_data": True}}],
    }
).encode()
BINARY = np.array([1.5, 2.5]).tobytes() + b"\x02\0\0\0ab\x02\0\0\0cd"
ROWS = [[1.5, "ab"], [2.5, "cd"]]


def read(body, length):
    headers = {b"inference-header-content-length": length}
    request = Request(None, "POST", b"/v2/models/m/infer", b"", headers, body, "1.1", True, 0.0)
    return OpenInference(AnyEndpoint(), "m").read(request).payload["instances"]


def test_the_length_of_the_json_parts_it_from_the_bytes():
    assert read(GOOD + BINARY, str(len(GOOD)).encode()) == ROWS


@settings(max_examples=300)
@given(
    length=st.just(b"%d" % len(GOOD)) | st.integers(-5, 10**20).map(lambda n: b"%d" % n) | st.binary(max_size=8),
    cut=st.integers(0, len(GOOD + BINARY)),
    more=st.binary(max_size=8),
    flips=st.lists(st.tuples(st.integers(0, len(GOOD + BINARY) - 1), st.integers(0, 255)), max_size=2),
)  # fmt: skip
def test_a_damaged_request_is_read_whole_or_refused(length, cut, more, flips):
    body = bytearray(GOOD + BINARY)
    for position, byte in flips:
        body[position] = byte
    body = bytes(body[:cut]) + more
    try:
        rows = read(body, length)
    except BadRequest as error:
        assert "\n" not in error.message or b"\n" in body
    else:
        assert len(rows) == 2


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [2**62], "parameters": {"binary_data_size": 2**62}},
        {"shape": [2**40, 2**40, 2**40], "data": [1]},
        {"shape": [1 << 22], "parameters": {"binary_data_size": -1}},
        {"shape": [1 << 22], "data": [1]},
        {"shape": [1, 1 << 22], "datatype": "BYTES", "parameters": {"binary_data_size": 8}},
        {"shape": [2**63, 0], "data": []},
    ],
)
def test_a_size_that_is_only_claimed_takes_no_memory(entry):
    tracemalloc.start()
    try:
        with pytest.raises((BadRequest, TooManyValues)):
            read_tensors([{"name": "x", "datatype": "FP64"} | entry], b"\xff\xff\xff\xff1234")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(value=JUNK | st.lists(st.dictionaries(TEXT, JUNK, max_size=3), max_size=3))
def test_any_value_of_an_answer_is_a_tensor_or_none(value):
    tensor = output_tensor("x", copy.deepcopy(value))
    if tensor is None:
        assert not isinstance(value, list) or not value
    else:
        assert math.prod(tensor.shape) == len(tensor.values)
        assert read_tensors([tensor.as_json()], b"")[0].values == tensor.values
        assert tensor.as_binary()


def test_numpy_in_a_list_is_as_good_as_numpy():
    for value in ([np.float32(0.5), np.float64(1)], np.array([0.5, 1]), [np.array(0.5), 1.0]):
        assert output_tensor("x", value).as_json()["data"] == [0.5, 1]
    assert output_tensor("x", [np.array([1, 2]), np.array([3, 4])]).shape == [2, 2]
    assert output_tensor("x", np.array(["a", "b"])).datatype == "BYTES"
    assert output_tensor("x", [{"a": 1}, {"b": [2]}]).values == ['{"a":1}', '{"b":[2]}']


def test_what_json_cannot_say_either_is_what_the_function_did_wrong():
    with pytest.raises(TypeError):
        output_tensor("x", ["\ud800"]).as_binary()
    assert output_tensor("x", [2**64]).values == ["18446744073709551616"]


@given(parts=st.lists(st.sampled_from(["a", "ready", "infer", "versions", "7", "%2F", "", "é"]), max_size=6))
def test_any_path_asks_for_one_thing(parts):
    asked = asked_by("/v2/models/" + "/".join(parts))
    assert asked.operation in ("", "ready", "infer")
    assert isinstance(asked.name, str)
