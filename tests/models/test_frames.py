"""A scikit-learn pipeline on a data frame: saved in one line, served with named, typed columns."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from common_utils.frames import frame_of, predictor, sample_of, schema_of
from trainyard.contract.message import Message
from trainyard.errors import ModelUnavailable, TrainyardError
from utils.binaries import check_saveable, load_model, save_model

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to import, in each worker

FRAME = pd.DataFrame(
    {
        "rooms": [1, 2, 3, 4, 5, 6],
        "size": [20.5, np.nan, 60.0, 80.0, 99.5, 120.0],
        "city": ["Köln", "Bonn", "Köln", np.nan, "Bonn", "Köln"],
        "zip": ["01067", "10115", "01067", "10115", "01067", "10115"],
        "note": ["a quiet house", "near the station", "with a garden", "no lift", "top floor", "new"],
        "built": pd.to_datetime(["1990-01-01", "2000-06-30", None, "2010-01-01", "2020-01-01", "1970-01-01"]),
        "seen": pd.to_datetime(["2026-01-01T10:00Z"] * 6),
        "garden": [True, False, True, False, True, False],
        "heating": pd.Categorical(["gas", "oil", "gas", "oil", "gas", None], categories=["oil", "gas", "wood"]),
    }
)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODEL_NAME", raising=False)


def test_a_frame_says_its_columns() -> None:
    columns = {entry["name"]: entry for entry in schema_of(FRAME)["columns"]}
    kinds = {name: (entry["type"], entry.get("nullable", False)) for name, entry in columns.items()}
    assert kinds == {
        "rooms": ("number", False), "size": ("number", True), "city": ("category", True), "zip": ("category", False),
        "note": ("text", False), "built": ("date", True), "seen": ("date", False), "garden": ("boolean", False),
        "heating": ("category", True),
    }  # fmt: skip
    assert (columns["rooms"]["minimum"], columns["rooms"]["maximum"], columns["rooms"]["integer"]) == (1, 6, True)
    assert columns["city"]["categories"] == ["Bonn", "Köln"]
    assert columns["heating"]["categories"] == ["oil", "gas", "wood"]
    assert (columns["built"]["minimum"], columns["built"]["maximum"]) == ("1970-01-01", "2020-01-01")
    assert json.loads(json.dumps(columns)) == columns


class Same:
    """Answers by how many rows it got."""

    def predict(self, frame: pd.DataFrame) -> Any:
        self.frame = frame
        return np.arange(len(frame))


def test_rows_become_the_frame_that_they_came_from() -> None:
    columns = schema_of(FRAME)["columns"]
    rows = sample_of(Same(), FRAME)["instances"]
    assert rows[1] == [
        2,
        None,
        "Bonn",
        "10115",
        "near the station",
        "2000-06-30",
        "2026-01-01T10:00:00+00:00",
        False,
        "oil",
    ]
    again = frame_of(rows, columns)
    pd.testing.assert_frame_equal(again, FRAME.head(3), check_freq=False)


@pytest.mark.parametrize(
    ("series", "says"),
    [
        (pd.Series([[1], [2]]), "'x' is of object, which no request can carry"),
        (pd.Series(pd.to_timedelta([1, 2])), "which no request can carry"),
        (pd.Series([1 + 2j, 3j]), "'x' is of complex128"),
        (pd.Series([1, "a"]), "which no request can carry"),
    ],
)
def test_a_column_that_no_request_can_carry_is_named(series: pd.Series, says: str) -> None:
    with pytest.raises(TrainyardError, match=says):
        schema_of(pd.DataFrame({"x": series}))


def test_columns_without_names_and_no_rows_are_refused() -> None:
    with pytest.raises(TrainyardError, match="column 0 is not named by text"):
        schema_of(pd.DataFrame([[1, 2]]))
    with pytest.raises(TrainyardError, match="frame has no rows"):
        schema_of(FRAME.head(0))


def priced() -> tuple[Any, pd.DataFrame, list[float]]:
    frame = FRAME[["rooms", "city", "garden"]].fillna({"city": "Bonn"})
    encoded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough")
    return (
        make_pipeline(encoded, LinearRegression()).fit(frame, frame["rooms"] * 10.0),
        frame,
        [10.0 * n for n in range(1, 7)],
    )


def test_a_pipeline_is_saved_in_one_line_and_answers_alike() -> None:
    pipeline, frame, expected = priced()
    record = save_model(pipeline, "prices", frame=frame)
    assert record["sample"]["predictions"] == pytest.approx(expected[:3])
    predict = predictor("prices")
    rows = [list(row) for row in frame.itertuples(index=False)]
    assert predict(Message(payload={"instances": rows}))["predictions"] == pytest.approx(expected)
    assert load_model("prices").predict(frame) == pytest.approx(expected)


def test_a_fraction_among_whole_numbers_changes_no_other_answer() -> None:
    def words(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(zip=frame["zip"].astype(str).map({"10115": 1.0}).fillna(0.0))

    frame = pd.DataFrame({"zip": [10115, 20095]})
    model = make_pipeline(FunctionTransformer(words), LinearRegression()).fit(frame, [5.0, 0.0])
    columns = schema_of(frame)["columns"]
    assert frame_of([[10115]], columns)["zip"].dtype == "int64"
    assert model.predict(frame_of([[10115]], columns)).tolist() == pytest.approx([5.0])
    with pytest.raises(TrainyardError, match="was defined inside of a function"):
        save_model(model, "zips", frame=frame)


def whole_numbers_as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(zip=frame["zip"].astype(str).map({"10115": 1.0}).fillna(0.0))


def test_a_served_fraction_changes_no_other_answer() -> None:
    frame = pd.DataFrame({"zip": [10115, 20095]})
    model = make_pipeline(FunctionTransformer(whole_numbers_as_text), LinearRegression()).fit(frame, [5.0, 0.0])
    save_model(model, "zips", frame=frame)
    answer = predictor("zips")(Message(payload={"instances": [[10115], [1.5], [20095]]}))
    assert answer["predictions"] == pytest.approx([5.0, 0.0, 0.0])


@pytest.mark.parametrize("model", [{"w": 2}, [1, 2, 3], "text", LinearRegression(), None, np.arange(3)])
def test_anything_that_can_be_pickled_is_saved(model: Any) -> None:
    save_model(model, "any")
    found = load_model("any")
    assert repr(found) == repr({**model, "model_name": "any"} if isinstance(model, dict) else model)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (make_pipeline(FunctionTransformer(lambda x: x)), "it has a lambda"),
        ({"file": open("/dev/null")}, "a part of it cannot be pickled"),  # noqa: SIM115, PTH123
    ],
)
def test_what_cannot_be_pickled_is_found_before_the_training(model: Any, says: str, tmp_path: Path) -> None:
    for refuse in (check_saveable, lambda model: save_model(model, "never")):
        with pytest.raises(TrainyardError, match=says) as caught:
            refuse(model)
        assert "\n" not in str(caught.value)
    assert list((tmp_path / "models").glob("*")) == [] if (tmp_path / "models").is_dir() else True


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"columns": [{"name": "a", "type": "integer"}]}, "column 'a' has the unknown type 'integer': use number, "),
        ({"columns": [{"type": "number"}]}, "a column without a name"),
        ({"columns": []}, "names no columns"),
        ([], "names no columns"),
        ({"columns": [{"name": "a", "type": "number"}] * 2}, "names a column twice"),
        ({"columns": [{"name": "a", "type": "date", "minimum": "soon"}]}, "a minimum or maximum that is no date"),
    ],
)
def test_a_schema_that_is_not_understood_is_refused(schema: Any, says: str) -> None:
    with pytest.raises(TrainyardError, match=says):
        save_model({"w": 1}, "schemed", schema=schema)


def test_a_model_without_its_frame_says_how_to_save_it() -> None:
    save_model(LinearRegression().fit([[1.0]], [1.0]), "bare")
    with pytest.raises(ModelUnavailable, match=r"save it by save_model\(model, 'bare', frame=X\)"):
        predictor("bare")(Message(payload={"instances": [[1.0]]}))


def test_a_classifier_answers_scores_and_labels() -> None:
    frame = pd.DataFrame({"a": [1.0, math.nan, 3.0, 4.0] * 10, "b": ["x", "y", "x", "y"] * 10}).astype(
        {"b": "category"}
    )
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype").fit(frame, ["n", "y"] * 20)
    save_model(model, "yes", frame=frame)
    answer = predictor("yes")(Message(payload={"instances": [[None, "x"], [4.0, "y"]]}))
    assert answer["labels"] == ["n", "y"]
    assert answer["predictions"] == model.predict(pd.DataFrame({"a": [math.nan, 4.0], "b": ["x", "y"]})).tolist()
    assert np.array(answer["scores"]).shape == (2, 2)
