"""The readers of CSV and JSON lines, and the check by a schema, against anything that a client may send."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract import drift
from trainyard.contract.schema import Schema, check_rows, order_rows
from trainyard.errors import BadRequest
from trainyard.image.serve.dialects.body_rows import read_csv, read_json_lines
from trainyard.image.serve.dialects.tensor_rows import rows_of_tensors
from trainyard.image.serve.dialects.tensors import read_tensors
from trainyard.image.serve.prediction.message_body import read_message
from trainyard.image.serve.prediction.row_form import UNKNOWN, RowForm

SCHEMA = Schema.from_record(
    {
        "schema": {
            "columns": [
                {"name": "size", "type": "number", "minimum": 0, "maximum": 9},
                {"name": "place", "type": "category", "categories": ["a", "b"]},
            ]
        }
    }
)
FORM = RowForm.of(SCHEMA, ())
NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6).map(str.strip)
ROWS = st.lists(st.tuples(NUMBERS, WORDS).map(list), min_size=1, max_size=5)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.binary(max_size=120) | st.text("1a,\"'\n\r\\[]{}: ", max_size=60).map(str.encode), st.booleans())
def test_any_bytes_are_rows_or_one_line(body, with_schema):
    for read in (read_csv, read_json_lines):
        try:
            rows = read(body, FORM if with_schema else UNKNOWN)
        except BadRequest as error:
            assert "\n" not in str(error)
        else:
            assert rows
            assert with_schema is False or all(len(row) == 2 for row in rows)


@given(ROWS, st.booleans())
def test_rows_arrive_as_they_were_written(rows, header):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL)
    if header:
        writer.writerow(["place", "size"])
    writer.writerows([row[::-1] if header else row for row in rows])
    assert read_csv(text.getvalue().encode(), FORM) == rows
    lines = "\n".join(json.dumps(dict(zip(SCHEMA.names, row, strict=True))) for row in rows)
    assert read_json_lines(lines.encode(), FORM) == rows


@given(ROWS)
def test_a_mark_in_front_of_lines_changes_nothing(rows):
    lines = "\n".join(map(json.dumps, rows))
    assert read_json_lines(lines.encode("utf-8-sig"), FORM) == rows
    for read in (read_csv, read_json_lines):
        with pytest.raises(BadRequest, match="the body is UTF-16 text: encode it as UTF-8"):
            read(lines.encode("utf-16"), FORM)


@given(st.lists(st.lists(JSON_VALUES, min_size=1, max_size=3) | JSON_VALUES, min_size=1, max_size=4))
def test_the_check_passes_good_rows_and_no_others(rows):
    def is_good(row):
        return (
            isinstance(row, list)
            and len(row) == 2
            and type(row[0]) in (int, float)
            and abs(row[0]) < float("inf")
            and isinstance(row[1], str)
        )

    try:
        check_rows(SCHEMA, rows)
        passed = True
    except BadRequest:
        passed = False
    assert passed == all(map(is_good, rows))


@given(ROWS)
def test_the_check_counts_what_training_never_saw(rows):
    noted = {}
    drift.set_sink(noted.__setitem__)
    try:
        check_rows(SCHEMA, rows)
    finally:
        drift.set_sink(None)
    expected = {
        "size": sum(not 0 <= size <= 9 for size, _ in rows),
        "place": sum(place not in ("a", "b") for _, place in rows),
    }
    assert noted == {name: count for name, count in expected.items() if count}


EVERY_KIND = Schema.from_json(
    {
        "columns": [
            {"name": "size", "type": "number", "nullable": True},
            {"name": "place", "type": "category", "categories": ["007", "1_0"], "nullable": True},
            {"name": "note", "type": "text", "nullable": True},
            {"name": "since", "type": "date", "nullable": True},
            {"name": "member", "type": "boolean", "nullable": True},
        ]
    }
)
NOTES = WORDS.filter(lambda word: word == "" or word.strip() == word)
CELLS = st.tuples(
    NUMBERS | st.integers(),
    st.sampled_from(["007", "1_0", "nan", "unheard of"]),
    NOTES.filter(bool),
    st.sampled_from(["2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31 12:00"]),
    st.booleans(),
)
ROWS_OF_EVERY_KIND = st.lists(
    st.tuples(CELLS, st.tuples(*[st.booleans()] * 5)).map(
        lambda pair: [None if missing else cell for cell, missing in zip(*pair, strict=True)]
    ),
    min_size=1,
    max_size=4,
)


def as_tensors(rows):
    datatypes = ("FP64", "BYTES", "BYTES", "BYTES", "BOOL")
    for column, datatype, values in zip(EVERY_KIND.columns, datatypes, zip(*rows, strict=True), strict=True):
        if datatype == "BOOL" and None in values:  # no tensor of truth values says that one is missing
            continue
        yield {"name": column.name, "datatype": datatype, "shape": [len(values)], "data": list(values)}


@given(ROWS_OF_EVERY_KIND)
def test_a_value_means_the_same_in_every_format(rows):
    form = RowForm.of(EVERY_KIND, ())
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    lines = "\n".join(json.dumps(row) for row in rows)
    objects = [dict(zip(EVERY_KIND.names, row, strict=True)) for row in rows]
    read = {
        "csv": read_csv(text.getvalue().encode(), form),
        "json lines": read_json_lines(lines.encode(), form),
        "json": read_message(json.dumps({"payload": {"instances": rows}}).encode(), form).payload["instances"],
        "objects": order_rows(EVERY_KIND, [{k: v for k, v in row.items() if v is not None} for row in objects]),
        "blanks": [["" if value is None else value for value in row] for row in rows],
    }
    meant = {name: check_rows(EVERY_KIND, found) for name, found in read.items()}
    assert meant == dict.fromkeys(read, rows)
    tensors = list(as_tensors(rows))
    if len(tensors) == 5 and all(abs(row[0] or 0) < 2**53 for row in rows):
        assert check_rows(EVERY_KIND, rows_of_tensors(read_tensors(tensors, b""), EVERY_KIND)) == rows
