"""What make tune may choose: every value in range, of its type, on the grid of its steps."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.host.experiments.config import ParamTuning
from trainyard.host.experiments.tuning.search_space import Dimension, SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)


def dimension(**section: Any) -> Dimension:
    return Dimension("a", ParamTuning.model_validate(section))


def suggested(one: Dimension, count: int = 12, seed: int = 0) -> Iterator[tuple[Any, Any]]:
    """The values that Optuna chooses, each with what it calls it."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(count):
        trial = study.ask()
        yield one.suggest(trial), trial.params["a"]


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    whole = draw(st.booleans())
    sampling = draw(st.sampled_from(["linear", "log", "reverse_log"]))
    low: float = draw(st.integers(-50 if sampling == "linear" else 1, 50))
    width: float = draw(st.integers(0, 60))
    section = {"param_type": "int" if whole else "float", "sampling": sampling}
    if not whole:
        low, width = low / 8, width / 8
    section |= {"min": low, "max": low + width}
    if draw(st.booleans()):
        factors = (st.integers(2, 20), st.sampled_from([1.1, 1.5, 2.0, 10.0]))
        steps = (st.integers(1, 20), st.sampled_from([0.1, 0.25, 0.3, 1.0, 7.5]))
        section["step"] = draw((steps if sampling == "linear" else factors)[0 if whole else 1])
    return section


@settings(deadline=None, max_examples=60)
@given(ranges(), st.integers(0, 1000))
def test_values_are_in_range_of_their_type_and_on_the_grid(section: dict[str, Any], seed: int) -> None:
    one = dimension(**section)
    for value, name in suggested(one, seed=seed):
        assert type(value) is (int if section["param_type"] == "int" else float)
        assert section["min"] <= value <= section["max"]
        if "step" in section:
            from_min = section["min"] + section["max"] - value if section["sampling"] == "reverse_log" else value
            steps = (value - section["min"]) / section["step"]
            if section["sampling"] != "linear":
                steps = math.log(from_min / section["min"], section["step"])
            assert math.isclose(steps, round(steps), abs_tol=1e-6)
        there = one.as_suggested(value)
        assert there is not None
        assert math.isclose(float(there), name, rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=3), min_size=1))
def test_a_choice_keeps_its_type(values: list[Any]) -> None:
    one = dimension(param_type="choice", values=values)
    typed = [(type(value), value) for value in values]
    for value, _ in suggested(one):
        assert (type(value), value) in typed
    assert one.size == len({repr(value) for value in values})


def test_booleans_are_booleans() -> None:
    assert {value for value, _ in suggested(dimension(param_type="boolean"))} == {True, False}
    assert all(isinstance(value, bool) for value, _ in suggested(dimension(param_type="boolean")))


def test_log_is_dense_near_min_and_reverse_log_near_max() -> None:
    section = {"param_type": "float", "min": 0.001, "max": 1.0}
    medians = {
        sampling: statistics.median(value for value, _ in suggested(dimension(**section, sampling=sampling), 200))
        for sampling in ("linear", "log", "reverse_log")
    }
    assert medians["log"] < 0.1 < 0.3 < medians["linear"] < 0.7 < 0.9 < medians["reverse_log"]


def test_decimal_steps_are_decimal_numbers() -> None:
    values = {value for value, _ in suggested(dimension(param_type="float", min=0.1, max=0.7, step=0.1), 60)}
    assert values <= {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
    assert len(values) == 7


@pytest.mark.parametrize(
    ("section", "values"),
    [  # the examples in the documentation of KerasTuner's hp.Int and hp.Float
        ({"param_type": "int", "min": 2, "max": 32, "step": 2, "sampling": "log"}, [2, 4, 8, 16, 32]),
        (
            {"param_type": "float", "min": 0.001, "max": 10, "step": 10, "sampling": "log"},
            [0.001, 0.01, 0.1, 1.0, 10.0],
        ),
        ({"param_type": "int", "min": 2, "max": 33, "step": 2, "sampling": "reverse_log"}, [33, 31, 27, 19, 3]),
    ],
)
def test_a_step_of_a_logarithm_is_a_factor(section: dict[str, Any], values: list[Any]) -> None:
    one = dimension(**section)
    assert one.size == len(values)
    assert {value for value, _ in suggested(one, 60)} == set(values)
    assert [one.as_suggested(value) for value in values] == one.every()
    assert one.described().startswith(
        f"{section['param_type']} from {section['min']} to {section['max']} by factors of"
    )


@pytest.mark.parametrize(
    ("section", "value", "there"),
    [
        ({"param_type": "int", "min": 64, "max": 128, "step": 32}, 10, None),  # as the example of seed 004 has it
        ({"param_type": "int", "min": 64, "max": 128, "step": 32}, 96, 96),
        ({"param_type": "int", "min": 64, "max": 128, "step": 32}, 80, None),
        ({"param_type": "int", "min": 1, "max": 5}, 2.0, 2),
        ({"param_type": "int", "min": 1, "max": 5}, 2.5, None),
        ({"param_type": "int", "min": 0, "max": 1}, True, None),
        ({"param_type": "float", "min": 0, "max": 1}, 1, 1.0),
        ({"param_type": "float", "min": 0, "max": 1}, math.nan, None),
        ({"param_type": "float", "min": 1, "max": 10, "sampling": "reverse_log"}, 9.0, 2.0),
        ({"param_type": "int", "min": 2, "max": 32, "step": 2, "sampling": "log"}, 8, 2),
        ({"param_type": "int", "min": 2, "max": 32, "step": 2, "sampling": "log"}, 9, None),
        ({"param_type": "int", "min": 2, "max": 32, "step": 2, "sampling": "log"}, 64, None),
        ({"param_type": "int", "min": 2, "max": 32, "step": 2, "sampling": "log"}, 0, None),
        ({"param_type": "choice", "values": [1, "1", True]}, True, "true"),
        ({"param_type": "choice", "values": ["adam"]}, "sgd", None),
        ({"param_type": "choice", "values": ["adam"]}, None, None),
        ({"param_type": "choice", "values": ["adam", None]}, None, "null"),
        ({"param_type": "boolean"}, False, "false"),
        ({"param_type": "boolean"}, 0, None),
    ],
)
def test_a_default_is_tried_first_where_it_could_be_chosen(section: dict[str, Any], value: Any, there: Any) -> None:
    found = dimension(**section).as_suggested(value)
    assert (type(found), found) == (type(there), there)


def test_small_spaces_are_counted() -> None:
    tuned = {
        "a": ParamTuning.model_validate({"param_type": "int", "min": 1, "max": 10, "step": 4}),
        "b": ParamTuning.model_validate({"param_type": "boolean"}),
    }
    space = SearchSpace.of(tuned)
    assert space.size == 6
    study = optuna.create_study()
    for values in space.every():
        study.enqueue_trial(dict(values))
    found = [space.suggest(study.ask()) for _ in range(6)]
    assert sorted((one["a"], one["b"]) for one in found) == [
        (1, False), (1, True), (5, False), (5, True), (9, False), (9, True),
    ]  # fmt: skip
    wide = SearchSpace.of({"c": ParamTuning.model_validate({"param_type": "float", "min": 0, "max": 1})})
    assert wide.size == math.inf
