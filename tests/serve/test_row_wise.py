"""Which requests may share a call, and how a joint answer is taken apart."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_utils.encoders import TabularEncoder
from trainyard.contract.schema import Schema
from trainyard.image.serve.prediction import row_wise
from trainyard.image.serve.prediction.row_wise import find_sharing, split

ROWS = [[1.0, 2.0], [3.0, 4.5]]
PLACES = Schema.from_json(
    {
        "columns": [
            {"name": "size", "type": "number", "minimum": 10, "maximum": 90, "integer": True, "nullable": True},
            {"name": "place", "type": "category", "categories": ["a", "b", "c"]},
        ]
    }
)


def keys_of(predict, rows=ROWS, schema=None):
    sharing = find_sharing(predict, rows, schema)
    return sharing.row_keys if sharing else frozenset()


def totals(rows):
    return {"predictions": [sum(row) for row in rows], "labels": ["low", "high", "higher"], "threshold": 0.5}


def arrays(rows):
    scores = np.array(rows, dtype=float) @ np.ones((2, 2))
    return {"predictions": scores[:, 0], "scores": scores.tolist()}


def with_nan(rows):
    return {"predictions": [math.nan for _ in rows]}


@pytest.mark.parametrize(
    ("predict", "keys"),
    [(totals, {"predictions"}), (arrays, {"predictions", "scores"}), (with_nan, {"predictions"})],
)
def test_row_wise_functions_are_found(predict, keys):
    assert keys_of(predict) == keys
    assert keys_of(predict, ROWS[:1]) == keys


def shares_of_the_whole(rows):
    return {"predictions": [sum(row) / sum(map(sum, rows)) for row in rows]}


def largest_is_one(rows):
    return {"predictions": [row[1] / max(row[1] for row in rows) for row in rows]}


def counted(rows):
    return {"predictions": [sum(row) for row in rows], "count": len(rows)}


def reversed_rows(rows):
    return {"predictions": [sum(row) for row in reversed(rows)]}


def one_at_a_time(rows):
    (row,) = rows
    return {"predictions": [sum(row)]}


def first_only(rows):
    return {"predictions": [sum(rows[0])]}


def other_keys(rows):
    return {"predictions": [0] * len(rows)} | ({"many": True} if len(rows) > 1 else {})


def a_frame(rows):
    return {"predictions": pd.DataFrame(rows)}


def nothing_to_compare(rows):
    return {"predictions": [object() for _ in rows]}


OTHERS = [
    shares_of_the_whole, largest_is_one, counted, reversed_rows, one_at_a_time, first_only, other_keys, a_frame,
    nothing_to_compare,
]  # fmt: skip


@pytest.mark.parametrize("predict", OTHERS)
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [[2, 7], [5, 7], [9, 7]]])
def test_functions_that_are_not_row_wise_are_found_out(predict, rows):
    """Also by a sample of one row, or of rows that are alike in what matters."""
    assert keys_of(predict, rows) == frozenset()


def consuming(rows):
    return {"predictions": [row.pop() + len(row) for row in rows]}


def test_a_function_that_changes_its_rows_spoils_nothing():
    rows = [[1.0, 2.0]]
    assert keys_of(consuming, rows) == {"predictions"}
    assert rows == [[1.0, 2.0]]


def test_a_slow_function_does_not_hold_up_the_start(monkeypatch):
    monkeypatch.setattr(row_wise, "PATIENCE", 0)
    assert keys_of(totals) == frozenset()


def by_postal_code(rows):
    """pandas makes a column of fractional numbers where one number is missing, or fractional."""
    frame = pd.DataFrame(rows, columns=["zip", "size"])
    rate = frame["zip"].astype(str).map({"10115": 1.0, "20095": 2.0}).fillna(0.0)
    return {"predictions": (rate * frame["size"]).tolist()}


def test_rows_share_a_call_only_with_rows_of_their_types():
    sharing = find_sharing(by_postal_code, [[10115, 50]])
    assert sharing.admits([[10115, 50], [20095, 7]])
    for other in ([None, 5], [10115.0, 5], ["10115", 5], [True, 5], [10115, None], [10115, 2**60], [[1], 5], [10115]):
        assert not sharing.admits([[10115, 50], other])
    assert not sharing.admits([[10115, 50], {"zip": 10115, "size": 5}])


def test_whole_and_fractional_numbers_share_a_call_where_that_was_tried():
    assert find_sharing(totals, [[1, 2]]).admits([[1, 2], [1.5, 2.0]])


def test_text_is_shared_as_far_as_it_is_known():
    def lengths(rows):
        return {"predictions": [len(text) for _, text in rows]}

    assert find_sharing(lengths, [[1, "a"]]).admits([[1, "a"], [2, "a"]])
    assert not find_sharing(lengths, [[1, "a"]]).admits([[1, "a"], [2, "unheard of"]])


def test_the_schema_says_what_else_there_may_be():
    def known(rows):
        return {"predictions": [(size or 0) + len(place) for size, place in rows]}

    sharing = find_sharing(known, [[20, "a"]], PLACES)
    assert sharing.admits([[20, "a"], [90, "c"], [None, "b"], [2**60, "unheard of"]])
    assert not sharing.admits([[20, "a"], [True, "a"]])


def test_values_that_training_never_saw_are_shared_only_where_they_were_tried():
    def strict(rows):
        return {"predictions": [size + {"a": 1, "b": 2, "c": 3}[place] for size, place in rows]}

    sharing = find_sharing(strict, [[20, "a"]], PLACES)
    assert sharing.admits([[20, "a"], [90.0, "c"]])
    assert not sharing.admits([[20, "a"], [20, "d"]])
    assert not sharing.admits([[20, "a"], [2**60, "a"]])


def test_an_encoder_of_ours_refuses_by_itself_what_is_not_of_its_kinds():
    encoder = TabularEncoder.fit([[10, "a"], [90, "b"]], ("size", "place"), scale=False)

    def encoded(rows):
        return {"predictions": encoder.transform(rows).sum(axis=1)}

    assert find_sharing(encoded, [[20, "a"]], PLACES, encodes=True).columns is not None  # it takes no missing values
    numbers = Schema.from_json({"columns": [{"name": "size", "type": "number"}, {"name": "place", "type": "category"}]})
    assert find_sharing(encoded, [[20, "a"]], numbers, encodes=True).columns is None


def test_a_function_of_dummies_is_found_out_by_the_schema():
    def dummies(rows):
        frame = pd.get_dummies(pd.DataFrame(rows, columns=["size", "place"]))
        return {"predictions": frame.sum(axis=1).tolist(), "columns": len(frame.columns)}

    assert find_sharing(dummies, [[20, "a"]], PLACES) is None


def test_missing_values_are_shared_only_where_the_function_takes_them():
    def strict(rows):
        return {"predictions": [size + len(place) for size, place in rows]}

    assert not find_sharing(strict, [[20, "a"]], PLACES).admits([[20, "a"], [None, "a"]])


def test_rows_that_are_objects_need_the_same_keys_in_the_same_order():
    def by_name(rows):
        return {"predictions": [row["a"] + row["b"] for row in rows]}

    sharing = find_sharing(by_name, [{"a": 1, "b": 2}])
    assert sharing.admits([{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    assert not sharing.admits([{"a": 1, "b": 2}, {"b": 4, "a": 3}])
    assert not sharing.admits([{"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}])


@pytest.mark.parametrize("rows", [[[]], [[[1, 2]]], [{"a": [1]}], [{}], [[1], [1, 2]]])
def test_rows_that_nobody_can_vary_are_predicted_alone(rows):
    assert find_sharing(lambda rows: {"predictions": [1 for _ in rows]}, rows) is None


@given(st.lists(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers()), min_size=1, max_size=5), min_size=1))
def test_splitting_gives_each_request_what_it_would_get_alone(requests):
    joint = totals([row for rows in requests for row in rows])
    parts = list(split(joint, frozenset({"predictions"}), [len(rows) for rows in requests]))
    assert parts == [totals(rows) for rows in requests]


def test_a_joint_answer_of_another_length_is_refused():
    with pytest.raises(ValueError, match="predictions has 2 items for 3 rows"):
        list(split({"predictions": [1, 2]}, frozenset({"predictions"}), [1, 2]))
