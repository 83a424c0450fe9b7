"""What may be predicted together, and how a joint answer is taken apart."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.serve.prediction import row_wise
from trainyard.serve.prediction.row_wise import find_row_keys, split

ROWS = [[1.0, 2.0], [3.0, 4.5]]


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
    assert find_row_keys(predict, ROWS) == keys
    assert find_row_keys(predict, ROWS[:1]) == keys


def ranks(rows):
    return {"predictions": [sum(row) / sum(map(sum, rows)) for row in rows]}


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


def consuming(rows):
    return {"predictions": [row.pop() + len(row) for row in rows]}


@pytest.mark.parametrize("predict", [ranks, counted, reversed_rows, one_at_a_time, first_only, other_keys])
def test_functions_that_are_not_row_wise_are_found_out(predict):
    assert find_row_keys(predict, ROWS) == frozenset()


def test_a_function_that_changes_its_rows_spoils_nothing():
    rows = [[1.0, 2.0]]
    assert find_row_keys(consuming, rows) == {"predictions"}
    assert rows == [[1.0, 2.0]]


def test_a_slow_function_does_not_hold_up_the_start(monkeypatch):
    monkeypatch.setattr(row_wise, "PATIENCE", 0)
    assert find_row_keys(totals, ROWS) == frozenset()


@given(st.lists(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers()), min_size=1, max_size=5), min_size=1))
def test_splitting_gives_each_request_what_it_would_get_alone(requests):
    joint = totals([row for rows in requests for row in rows])
    parts = list(split(joint, frozenset({"predictions"}), [len(rows) for rows in requests]))
    assert parts == [totals(rows) for rows in requests]


def test_a_joint_answer_of_another_length_is_refused():
    with pytest.raises(ValueError, match="predictions has 2 items for 3 rows"):
        list(split({"predictions": [1, 2]}, frozenset({"predictions"}), [1, 2]))
