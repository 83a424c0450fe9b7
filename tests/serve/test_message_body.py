"""The body parser, against anything that a client may send; both JSON codecs alike."""

import codecs
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.errors import BadRequest
from trainyard.image.serve.prediction.codec import JSON, STANDARD
from trainyard.image.serve.prediction.message_body import read_message, rows_of
from trainyard.image.serve.prediction.row_form import RowForm

CODECS = pytest.mark.parametrize("codec", [JSON, STANDARD], ids=["fast", "standard"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = SCALARS | st.text(st.characters(codec="utf-8"), max_size=8)
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


@CODECS
@given(body=st.binary(max_size=200))
def test_bytes_are_a_message_or_a_bad_request(codec, body):
    try:
        message = read_message(body, codec=codec)
    except BadRequest as error:
        assert "\n" not in error.message or b"\n" in body
    else:
        assert isinstance(message.payload["instances"], list)


@CODECS
@given(payload=ANYTHING)
def test_any_json_is_a_message_or_a_bad_request(codec, payload):
    body = json.dumps({"payload": {"instances": payload}}).encode()
    try:
        rows = read_message(body, codec=codec).payload["instances"]
    except BadRequest:
        return
    assert rows
    assert len({type(row) for row in rows}) == 1
    if isinstance(rows[0], list):
        assert len({len(row) for row in rows}) == 1


@CODECS
@settings(max_examples=50)
@given(width=st.integers(1, 5), data=st.data())
def test_rows_arrive_as_they_were_sent(codec, width, data):
    rows = data.draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=6))
    body = json.dumps({"payload": {"instances": rows, "other": 1}, "session": "x"}).encode()
    message = read_message(body, codec=codec)
    assert message == {"payload": {"instances": rows, "other": 1}, "session": "x"}


@given(row=st.lists(VALUES, min_size=1, max_size=8))
def test_a_flat_instance_is_one_row_where_rows_have_as_many_values(row):
    form = RowForm(len(row), tuple(isinstance(value, str) for value in row))
    assert rows_of(row, form) == [row]


@given(values=st.lists(VALUES, min_size=1, max_size=8))
def test_a_list_of_scalars_is_rows_of_one_value_where_rows_have_one(values):
    assert rows_of(values, RowForm(1, (False,))) == [[value] for value in values]
    assert rows_of(values, may_be_flat=False) == [[value] for value in values]


@given(number=st.integers())
def test_whole_numbers_are_exact_however_long(number):
    body = json.dumps({"payload": {"instances": [[number]]}}).encode()
    assert read_message(body).payload["instances"] == [[number]]
    assert json.loads(JSON.dumps([number])) == [number]


@CODECS
@pytest.mark.parametrize(
    "body", [b"NaN", b"[Infinity]", b"[1e400]", b"\xef\xbb\xbf{}", b'["\xff"]', b"[1,]", b"[" * 9999]
)
def test_what_is_not_json_is_refused_by_both(codec, body):
    with pytest.raises(ValueError):
        codec.loads(body)


@CODECS
@given(payload=ANYTHING)
def test_a_mark_in_front_of_utf8_changes_nothing(codec, payload):
    body = json.dumps({"payload": {"instances": [[1]], "other": payload}}).encode()
    assert read_message(codecs.BOM_UTF8 + body, codec=codec) == read_message(body, codec=codec)


@CODECS
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (codecs.BOM_UTF8, "the body is empty"),
        (codecs.BOM_UTF8 * 100_000 + b"{}", "the body is not JSON"),
        (codecs.BOM_UTF8 + b"[NaN]", "send finite numbers"),
        (codecs.BOM_UTF8 + b'["\xff"]', "not UTF-8 text"),
        ('{"payload": {}}'.encode("utf-16"), "the body is UTF-16 text: encode it as UTF-8"),
        ('{"payload": {}}'.encode("utf-16-le"), "the body is UTF-16 text"),
        ('{"payload": {}}'.encode("utf-16-be"), "the body is UTF-16 text"),
    ],
    ids=["alone", "many", "NaN", "not UTF-8", "UTF-16", "little-endian", "big-endian"],
)
def test_a_marked_body_is_refused_for_what_is_wrong_with_it(codec, body, reason):
    with pytest.raises(BadRequest, match=reason):
        read_message(body, codec=codec)


@CODECS
def test_results_are_written_alike(codec):
    value = {"a": np.array([[1.5, math.nan]]), "b": (np.int64(3), np.float64("inf")), "c": "é", "d": [True, None]}
    assert json.loads(codec.dumps(value)) == {"a": [[1.5, None]], "b": [3, None], "c": "é", "d": [True, None]}


@CODECS
@pytest.mark.parametrize("value", [object(), {1, 2}, "\ud800", b"bytes"], ids=["object", "set", "surrogate", "bytes"])
def test_what_json_cannot_say_is_a_type_error(codec, value):
    with pytest.raises(TypeError):
        codec.dumps({"predictions": [value]})


@CODECS
def test_a_value_that_contains_itself_is_a_type_error(codec):
    loop = []
    loop.append(loop)
    with pytest.raises(TypeError):
        codec.dumps(loop)
