"""Which models share an environment: the logic, on a resolver that is a function; and what an image says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.environment import parse_environment
from trainyard.contract.groups import groups_of, written
from trainyard.errors import TrainyardError
from trainyard.host.build.grouping import check_wanted, grouped

# A model is its number and what it wants: packages, each in one version.
WANTED = st.dictionaries(st.sampled_from(["numpy", "pandas", "sklearn"]), st.integers(1, 3), max_size=3)
MODELS = st.lists(WANTED, min_size=1, max_size=8).map(lambda wanted: tuple(enumerate(map(tuple_of, wanted))))


def tuple_of(wanted: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(wanted.items()))


class Resolver:
    """Says whether models want no package in two versions, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def fits(self, models) -> bool:
        self.asked.append(models)
        pins = {pin for _, wanted in models for pin in wanted}
        return len(pins) == len({package for package, _ in pins})


@given(MODELS)
def test_every_model_is_in_one_group_and_no_group_has_a_conflict(models) -> None:
    resolver = Resolver()
    groups = grouped(models, resolver.fits)
    assert sorted(model for group in groups for model in group) == sorted(models)
    assert all(groups)
    assert all(Resolver().fits(group) for group in groups)
    assert grouped(models, Resolver().fits) == groups
    # The first model leads; in every group the order is that of all.
    assert groups[0][0] == models[0]
    assert all(list(group) == sorted(group) for group in groups)


@given(MODELS)
def test_models_that_fit_together_are_one_group_after_one_question(models) -> None:
    resolver = Resolver()
    groups = grouped(models, resolver.fits)
    if Resolver().fits(models):
        assert groups == (models,)
        assert resolver.asked == [models]
    else:
        assert len(groups) > 1


@given(MODELS)
def test_a_model_is_in_the_first_group_that_takes_it(models) -> None:
    groups = grouped(models, Resolver().fits)
    for number, group in enumerate(groups):
        for earlier in groups[:number]:
            before = tuple(model for model in earlier if model < group[0])
            assert not Resolver().fits((*before, group[0]))


def environment(text: str):
    routes = "a/predict:m.a:f,b/predict:m.b:g,c:m.c:h"
    return parse_environment(f"ROUTES={routes}\nROUTE_GROUPS={text}\n", Path(".s2i/environment"))


def test_an_environment_says_which_routes_are_of_which_group() -> None:
    groups = groups_of(environment("a/predict,c;b/predict"))
    assert [[route.path for route in group] for group in groups] == [["a/predict", "c"], ["b/predict"]]
    assert written(groups) == "a/predict,c;b/predict"
    assert len(groups_of(parse_environment("ROUTES=a:m.a:f,b:m.b:g\n", Path("environment")))) == 1


@pytest.mark.parametrize(
    "text", ["a/predict;b/predict", "a/predict,c;b/predict,c", "a/predict,c;b/predict;d", ";", "a"]
)
def test_a_route_in_no_group_or_in_two_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(TrainyardError, match=r"^\.s2i/environment:2: ROUTE_GROUPS does not have each route"):
        groups_of(environment(text))


def test_what_groups_may_be() -> None:
    assert check_wanted("auto")
    assert not check_wanted("")
    with pytest.raises(TrainyardError, match=r"^GROUPS=yes: there is no such way to group: say GROUPS=auto"):
        check_wanted("yes")
