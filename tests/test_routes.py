"""ROUTES and what belongs to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.environment import parse_environment
from trainyard.contract.routes import Route, is_merged, parse_routes, routes_of, train_target
from trainyard.errors import TrainyardError

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
dotted = st.lists(names, min_size=1, max_size=4).map(".".join)
paths = st.lists(st.from_regex(r"[a-z0-9_-]{1,8}", fullmatch=True), min_size=1, max_size=3).map("/".join)
routes = st.builds(Route, paths.filter(lambda path: path != "health"), dotted, names)


@given(st.lists(routes, min_size=1, max_size=5, unique_by=lambda route: route.path))
def test_routes_are_read_as_written(given_routes: list[Route]) -> None:
    text = ", ".join(map(str, given_routes))
    assert [str(route) for route in parse_routes(text, "here")] == [str(route) for route in given_routes]


@given(st.text())
def test_any_text_is_routes_or_one_line(text: str) -> None:
    try:
        parsed = parse_routes(text, "here:1")
    except TrainyardError as error:
        assert error.message.startswith("here:1: ")
    else:
        assert parsed
        assert len({route.path for route in parsed}) == len(parsed)


@pytest.mark.parametrize("path", ["../etc", "a//b", "a b", "a/../b", "ä", "health"])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(TrainyardError):
        parse_routes(f"{path}:m:f", "here")


def test_slashes_around_a_route_do_not_count() -> None:
    assert parse_routes("/a/predict/:m:f", "here")[0].path == "a/predict"


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("ROUTES=a:m:f", False),
        ("ROUTES=a:m:f,b:m:g", False),  # one model, two routes
        ("ROUTES=a:m:f,b:n:g", True),  # historical
        ("ROUTES=a:predict:f,b:predict:g\nMERGED=p/m,p/n", True),  # generated
    ],
)
def test_which_images_hold_several_models(text: str, merged: bool) -> None:
    assert is_merged(parse_environment(text, Path("environment"))) is merged


def test_predict_keys_must_agree() -> None:
    agreeing = parse_environment("ROUTES=a:m:f\nPREDICT_MODULE=m\nPREDICT_FUNCTION=f", Path("environment"))
    assert routes_of(agreeing)[0].module == "m"
    one_alone = parse_environment("ROUTES=a:m:f\nPREDICT_MODULE=predict", Path("environment"))
    assert routes_of(one_alone)[0].module == "m"


def test_the_train_function_defaults_to_train() -> None:
    assert train_target(parse_environment("TRAIN_MODULE=a.b", Path("environment"))) == ("a.b", "train")
