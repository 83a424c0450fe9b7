from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_utils.encoders import TabularEncoder
from trainyard.contract import drift
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


@pytest.fixture
def noted() -> Iterator[list[tuple[str, int]]]:
    """What is reported of values that training never saw."""
    found: list[tuple[str, int]] = []
    drift.set_sink(lambda column, count: found.append((column, count)))
    yield found
    drift.set_sink(None)


def test_what_training_saw_is_no_drift(encoder: TabularEncoder, noted: list[tuple[str, int]]) -> None:
    encoder.transform(ROWS)
    encoder.transform(ROWS[:1])
    assert noted == []


@pytest.mark.parametrize("copies", [1, 5])
def test_drift_is_counted_per_column(encoder: TabularEncoder, noted: list[tuple[str, int]], copies: int) -> None:
    encoder.transform([[61, "federal", 20, "m"]] * copies)
    assert noted == [("age", copies), ("hours", copies), ("workclass", copies)]


def test_a_refused_request_is_no_drift(encoder: TabularEncoder, noted: list[tuple[str, int]]) -> None:
    for rows in ([[61, "federal", 40, None]], [[61, "federal", 40, "f"], [20, "state", None, "f"]]):
        with pytest.raises(BadRequest):
            encoder.transform(rows)
    assert noted == []


def test_what_one_thread_does_while_it_is_watched_is_known_and_dropped(
    encoder: TabularEncoder, noted: list[tuple[str, int]]
) -> None:
    strange = [[61, "private", 40, "m"]]
    with drift.watching() as watch:
        encoder.transform(strange)
        assert watch.encoded
        other = threading.Thread(target=encoder.transform, args=(strange,))
        with drift.watching() as inner:
            other.start()
            other.join()
        assert not inner.encoded
    assert noted == [("age", 1)]
    assert drift.watchers == []


NEARBY = st.lists(
    st.tuples(
        st.floats(0, 80), st.sampled_from(["private", "state", "x"]), st.integers(0, 80), st.sampled_from(["f", "y"])
    ),
    min_size=2,
    max_size=6,
)


@given(NEARBY)
def test_rows_together_drift_as_one_by_one(rows: list[tuple[object, ...]]) -> None:
    encoder = TabularEncoder.fit(ROWS, COLUMNS, scale=True)
    together: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    try:
        drift.set_sink(lambda column, count: together.update({column: count}))
        encoder.transform(rows)
        drift.set_sink(lambda column, count: alone.update({column: count}))
        for row in rows:
            encoder.transform([row])
    finally:
        drift.set_sink(None)
    assert together == alone
    assert together["age"] == sum(not 20 <= age <= 60 for age, *_ in rows)  # type: ignore[operator]


def test_the_schema_says_what_training_saw(encoder: TabularEncoder) -> None:
    assert encoder.schema()["columns"] == [
        {"name": "age", "type": "number", "minimum": 20, "maximum": 60, "integer": True},
        {"name": "workclass", "type": "category", "categories": ["private", "state"]},
        {"name": "hours", "type": "number", "minimum": 20.5, "maximum": 40, "integer": False},
        {"name": "sex", "type": "category", "categories": ["f", "m"]},
    ]


@pytest.mark.parametrize("scale", [False, True])
def test_an_encoder_survives_json_whole(scale: bool, noted: list[tuple[str, int]]) -> None:
    encoder = TabularEncoder.fit(ROWS, COLUMNS, scale=scale)
    again = TabularEncoder.from_json(json.loads(json.dumps(encoder.as_json())))
    assert again.as_json() == encoder.as_json()
    assert again.transform([[61, "x", 40, "f"]]).tolist() == encoder.transform([[61, "x", 40, "f"]]).tolist()
    assert noted == [("age", 1), ("workclass", 1)] * 2


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
def test_an_encoder_from_before_there_were_ranges_loads_and_knows_none(
    encoder: TabularEncoder, rows: list[list[object]], noted: list[tuple[str, int]]
) -> None:
    description = encoder.as_json()
    del description["ranges"]
    pickled = TabularEncoder.__new__(TabularEncoder)
    state = {key: value for key, value in vars(encoder).items() if key not in ("_ranges", "_lows", "_highs")}
    pickled.__setstate__(state | {"_lookups": list(state["_lookups"].items()), "_scaled": [(0, 0, 0.0, 1.0)]})
    for old in (TabularEncoder.from_json(description), pickled):
        assert old.transform(rows).tolist() == encoder.transform(rows).tolist()
        old.transform([[1e300, *row[1:]] for row in rows])
        with pytest.raises(BadRequest, match="column age: the number inf"):
            old.transform([[float("inf"), *row[1:]] for row in rows])
        assert old.schema()["columns"][0] == {"name": "age", "type": "number"}
    assert noted == []


def test_predicting_imports_neither_pandas_nor_scikit_learn(python_path: str) -> None:
    code = (
        "import json, sys, common_utils.encoders, common_utils.predicting, utils.binaries;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": python_path}, capture_output=True, text=True, check=True
    )
    assert not {"sklearn", "pandas", "scipy"} & set(json.loads(done.stdout))
