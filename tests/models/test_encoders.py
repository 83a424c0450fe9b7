from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_utils.encoders import TabularEncoder
from trainyard.errors import BadRequest

COLUMNS = ("age", "workclass", "hours", "sex")
ROWS = [[20, "private", 40, "f"], [40, "state", 20.5, "m"], [60, "private", 40, "m"]]


@pytest.fixture
def encoder() -> TabularEncoder:
    return TabularEncoder.fit(ROWS, COLUMNS, scale=False)


def test_numbers_pass_and_each_category_becomes_one_feature(encoder: TabularEncoder) -> None:
    assert encoder.transform(ROWS).tolist() == [
        [20, 1, 0, 40, 1, 0],
        [40, 0, 1, 20.5, 0, 1],
        [60, 1, 0, 40, 0, 1],
    ]
    assert encoder.transform(ROWS).dtype == np.float64


def test_scaled_numbers_have_mean_0_and_deviation_1() -> None:
    encoder = TabularEncoder.fit(ROWS, COLUMNS, scale=True)
    ages = encoder.transform(ROWS)[:, 0]
    assert ages.mean() == pytest.approx(0)
    assert ages.std() == pytest.approx(1)
    assert encoder.transform([[80, "private", 40, "f"]])[0, 0] == pytest.approx((80 - 40) / np.std([20, 40, 60]))


def test_a_constant_number_scales_to_zero_and_not_to_nan() -> None:
    encoder = TabularEncoder.fit([[1.0, 5], [2.0, 5]], ("a", "b"), scale=True)
    assert encoder.transform([[1.5, 5]]).tolist() == [[0, 0]]


def test_an_unseen_category_is_all_zeros(encoder: TabularEncoder) -> None:
    assert encoder.transform([[20, "federal", 40, "f"]]).tolist() == [[20, 0, 0, 40, 1, 0]]


def test_no_rows_give_an_empty_array_of_the_same_width(encoder: TabularEncoder) -> None:
    assert encoder.transform([]).shape == (0, 6)


def test_a_fitted_encoder_survives_pickling(encoder: TabularEncoder) -> None:
    again = pickle.loads(pickle.dumps(encoder))
    assert again.transform(ROWS).tolist() == encoder.transform(ROWS).tolist()


def test_numpy_scalars_count_as_numbers_and_text(encoder: TabularEncoder) -> None:
    row = [np.int64(20), np.str_("private"), np.float32(40), "f"]
    assert encoder.transform([row]).tolist() == encoder.transform([ROWS[0]]).tolist()


@pytest.mark.parametrize(
    ("position", "value", "says"),
    [
        (0, "25", "column age: the text '25' where a finite number"),
        (0, None, "column age: null where a finite number"),
        (0, True, "column age: true where a finite number"),
        (0, float("nan"), "column age: the number nan"),
        (2, float("-inf"), "column hours: the number -inf"),
        (2, 10**400, "column hours: a number too large"),
        (0, [1], "column age: a list where"),
        (0, {"a": 1}, "column age: an object where"),
        (1, 3, "column workclass: the number 3 where text"),
        (1, None, "column workclass: null where text"),
        (1, ["private"], "column workclass: a list where text"),
        (3, False, "column sex: false where text"),
    ],
)
def test_a_value_of_the_wrong_kind_names_row_and_column(
    encoder: TabularEncoder, position: int, value: object, says: str
) -> None:
    rows = [list(row) for row in ROWS]
    rows[1][position] = value  # type: ignore[assignment]
    with pytest.raises(BadRequest) as caught:
        encoder.transform(rows)
    assert str(caught.value).startswith("instances[1], ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.http_status == 400


@pytest.mark.parametrize("row", [[20, "private", 40], [20, "private", 40, "f", 1], []])
def test_a_row_of_the_wrong_length_says_what_to_send(encoder: TabularEncoder, row: list[object]) -> None:
    with pytest.raises(BadRequest, match=rf"instances\[1\] has {len(row)} value.*4 values: age, workclass, hours, sex"):
        encoder.transform([ROWS[0], row])


@pytest.mark.parametrize("row", [{"age": 20}, "age", 7, None])
def test_a_row_that_is_no_list_is_refused(encoder: TabularEncoder, row: object) -> None:
    with pytest.raises(BadRequest, match=r"instances\[0\] is "):
        encoder.transform([row])  # type: ignore[list-item]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.lists(JSON_VALUES, min_size=3, max_size=5) | JSON_VALUES, max_size=4))
def test_any_json_gives_finite_features_or_a_bad_request(instances: list[object]) -> None:
    encoder = TabularEncoder.fit(ROWS, COLUMNS, scale=True)
    try:
        features = encoder.transform(instances)  # type: ignore[arg-type]
    except BadRequest:
        return
    assert features.shape == (len(instances), 6)
    assert np.isfinite(features).all()


def test_many_rows_encode_as_one_by_one(encoder: TabularEncoder) -> None:
    rows = [ROWS[i % 3] for i in range(200)]
    assert encoder.transform(rows).tolist() == [encoder.transform([row])[0].tolist() for row in rows]


def test_predicting_imports_neither_pandas_nor_scikit_learn(python_path: str) -> None:
    code = (
        "import json, sys, common_utils.encoders, common_utils.predicting, utils.binaries;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": python_path}, capture_output=True, text=True, check=True
    )
    assert not {"sklearn", "pandas", "scipy"} & set(json.loads(done.stdout))
