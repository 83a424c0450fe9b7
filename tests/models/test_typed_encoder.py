"""Missing values, dates, free text, true and false become features, and survive being stored."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_utils.encoders import TabularEncoder
from common_utils.typed_encoder import TypedEncoder, encoder_from_json, fit_encoder
from trainyard.contract import drift
from trainyard.contract.schema import Schema, check_rows
from trainyard.errors import BadRequest

COLUMNS = ("age", "job", "since", "member", "note")
KINDS = ("number", "category", "date", "boolean", "text")
ROWS: list[list[Any]] = [
    [20, "clerk", "1970-01-02", True, "red car"],
    [None, None, None, None, None],
    [40, "cook", "1970-01-11", False, "Red, bike"],
    [30, "clerk", "1970-01-03T12:00:00Z", True, "a car"],
]


@pytest.fixture
def encoder() -> Any:
    return fit_encoder(ROWS, COLUMNS, KINDS, scale=False)


def test_each_kind_becomes_features_and_what_is_missing_is_marked(encoder: Any) -> None:
    names = ["age", "age", "job", "job", "job", "since", "since", "member", "member", "note", "note"]
    assert encoder.feature_columns == names
    assert encoder.transform(ROWS).tolist() == [
        # age, missing; none, clerk, cook; days, missing; member, missing; words: car, red
        [20, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1],
        [30, 1, 1, 0, 0, 2.5, 1, 1, 1, 0, 0],
        [40, 0, 0, 0, 1, 10, 0, 0, 0, 0, 1],
        [30, 0, 0, 1, 0, 2.5, 0, 1, 0, 1, 0],
    ]


def test_rows_encode_alone_as_together(encoder: Any) -> None:
    assert encoder.transform(ROWS).tolist() == [encoder.transform([row])[0].tolist() for row in ROWS]
    assert encoder.transform([]).shape == (0, encoder.width)


def test_what_needs_no_more_is_encoded_as_before() -> None:
    rows = [[1, "a"], [2.5, "b"]]
    assert type(fit_encoder(rows, ("x", "y"), scale=False)) is TabularEncoder
    assert type(fit_encoder(rows, ("x", "y"), ("number", "category"), scale=False)) is TabularEncoder
    assert type(fit_encoder([*rows, [None, "a"]], ("x", "y"), scale=False)) is TypedEncoder


@pytest.mark.parametrize("scale", [False, True])
def test_it_survives_json_and_pickling(scale: bool) -> None:
    encoder = fit_encoder(ROWS, COLUMNS, KINDS, scale=scale)
    for again in (encoder_from_json(json.loads(json.dumps(encoder.as_json()))), pickle.loads(pickle.dumps(encoder))):
        assert again.as_json() == encoder.as_json()
        assert again.transform(ROWS).tolist() == encoder.transform(ROWS).tolist()
        assert again.schema() == encoder.schema()


def test_the_schema_says_types_ranges_and_what_may_be_missing(encoder: Any) -> None:
    assert encoder.schema()["columns"] == [
        {"name": "age", "type": "number", "minimum": 20, "maximum": 40, "integer": True, "nullable": True},
        {"name": "job", "type": "category", "categories": ["clerk", "cook"], "nullable": True},
        {"name": "since", "type": "date", "minimum": "1970-01-02", "maximum": "1970-01-11", "nullable": True},
        {"name": "member", "type": "boolean", "nullable": True},
        {"name": "note", "type": "text", "nullable": True},
    ]
    schema = Schema.from_json(json.loads(json.dumps(encoder.schema())))
    assert check_rows(schema, ROWS) == ROWS


def test_blank_text_is_missing_and_blanks_around_a_category_do_not_count(encoder: Any) -> None:
    blank = ["", " ", "", "", ""]
    assert encoder.transform([blank]).tolist() == encoder.transform([[None] * 5]).tolist()
    spaced = [20, " clerk ", " 1970-01-02 ", 1, "red car"]
    assert encoder.transform([spaced]).tolist() == encoder.transform([ROWS[0]]).tolist()


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (0, "25", "column age: the text '25' where a finite number belongs"),
        (1, 7, "column job: the number 7 where text belongs"),
        (2, "31.01.2026", "column since: the text '31.01.2026' where a date such as 2026-01-31"),
        (2, 20260131, "column since: the number 20260131 where a date"),
        (3, "true", "column member: the text 'true' where true or false belongs"),
        (3, 2, "column member: the number 2 where true or false belongs"),
        (4, False, "column note: false where text belongs"),
    ],
)
def test_a_value_of_the_wrong_kind_names_row_and_column(encoder: Any, place: int, value: Any, says: str) -> None:
    rows = [list(row) for row in ROWS]
    rows[1][place] = value
    with pytest.raises(BadRequest) as caught:
        encoder.transform(rows)
    assert str(caught.value).startswith(f"instances[1], {says}")


def test_null_where_training_had_none_stays_an_error() -> None:
    encoder = fit_encoder([[1, "2026-01-31"], [None, "2026-02-01"]], ("a", "b"), ("number", "date"), scale=False)
    with pytest.raises(BadRequest, match=r"instances\[0\], column b: null where a date"):
        encoder.transform([[None, None]])


def test_drift_is_that_of_the_columns(encoder: Any) -> None:
    noted: dict[str, int] = {}
    drift.set_sink(noted.__setitem__)
    try:
        encoder.transform([[99, "pilot", "2026-01-31", True, "never seen"], [None] * 5])
    finally:
        drift.set_sink(None)
    assert noted == {"age": 1, "job": 1, "since": 1}


JSON_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.none())


@given(st.lists(st.lists(JSON_VALUES, min_size=4, max_size=6), max_size=4))
def test_any_json_gives_finite_features_or_a_bad_request(rows: list[list[Any]]) -> None:
    encoder = fit_encoder(ROWS, COLUMNS, KINDS, scale=True)
    try:
        features = encoder.transform(rows)
    except BadRequest as error:
        assert "\n" not in str(error)
    else:
        assert features.shape == (len(rows), encoder.width)
        assert np.isfinite(features).all()
