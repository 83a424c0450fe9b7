"""Rows of requests as arguments of functions that were not written for them."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from trainyard.errors import BadRequest
from trainyard.models.row_arguments import all_rows, answer, each_row


def message(*rows: Any) -> dict[str, Any]:
    return {"payload": {"instances": list(rows)}}


def area(width: float, height: float = 2) -> float:
    return width * height


def test_lists_go_by_position_and_objects_by_name() -> None:
    assert each_row(area, message([2, 3], [4])) == {"predictions": [6, 8]}
    assert each_row(area, message({"height": 1, "width": 5})) == {"predictions": [5]}


@pytest.mark.parametrize(
    ("row", "part"),
    [([1, 2, 3], "3 values"), ({"depth": 1}, "unknown input 'depth'"), ({"height": 1}, "width is missing")],
)
def test_a_row_that_does_not_fit_is_named(row: Any, part: str) -> None:
    with pytest.raises(BadRequest, match=part) as error:
        each_row(area, message([1], row))
    assert "instances[1]" in str(error.value)


def test_the_only_parameter_is_the_row_where_the_row_is_no_value() -> None:
    assert each_row(lambda row: len(row), message([1, 2, 3], [4, 5, 6])) == {"predictions": [3, 3]}
    assert each_row(lambda row: sorted(row), message({"b": 1, "a": 2})) == {"predictions": [["a", "b"]]}
    assert each_row(lambda text: text.upper(), message(["a"], ["b"])) == {"predictions": ["A", "B"]}
    assert each_row(lambda text: text.upper(), message("a", "b")) == {"predictions": ["A", "B"]}


def test_files_come_and_go_in_base64(tmp_path: Path) -> None:
    def turned(image: Path) -> Path:
        path = tmp_path / "out"
        path.write_bytes(image.read_bytes()[::-1])
        return path

    sent = base64.b64encode(b"abc").decode()
    expected = "data:application/octet-stream;base64," + base64.b64encode(b"cba").decode()
    assert each_row(turned, message([f"data:image/png;base64,{sent}"])) == {"predictions": [expected]}
    with pytest.raises(BadRequest, match="not base64"):
        each_row(turned, message(["a picture"]))


def test_a_description_of_an_input_has_its_default() -> None:
    pydantic = pytest.importorskip("pydantic")

    def judged(text: str = pydantic.Field(), bias: int = pydantic.Field(default=2)) -> Any:
        return Judged(text, bias)

    assert each_row(judged, message(["a"])) == {"predictions": [{"text": "a", "bias": 2}]}
    with pytest.raises(BadRequest, match="text is missing"):
        each_row(judged, message({"bias": 1}))


@dataclasses.dataclass
class Judged:
    text: str
    bias: int


def test_coroutines_and_generators_are_waited_for() -> None:
    async def later(x: int) -> int:
        return x + 1

    def words(text: str) -> Any:
        yield from text

    assert each_row(later, message([1])) == {"predictions": [2]}
    assert each_row(words, message(["ab"])) == {"predictions": ["ab"]}


def test_all_rows_in_the_form_that_is_wanted() -> None:
    pytest.importorskip("pandas")
    assert all_rows(lambda x: x.sum(axis=1), message([1, 2], [3, 4]), "array") == {"predictions": [3, 7]}
    assert all_rows(lambda x: x["a"] * 2, message({"a": 1}, {"a": 2}), "frame") == {"predictions": [2, 4]}
    assert all_rows(len, message([1], [2])) == {"predictions": [2]}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([1, 2], {"predictions": [1, 2]}), (5, {"predictions": [5]}), ({"predictions": (1,)}, {"predictions": [1]}),
        ({"labels": ["a"], "n": 1}, {"labels": ["a"], "n": 1, "predictions": ["a"]}),
        ({"x": 1}, {"predictions": [{"x": 1}]}),
    ],
)  # fmt: skip
def test_whatever_is_returned_is_an_answer(result: Any, expected: dict[str, Any]) -> None:
    assert answer(result) == expected
