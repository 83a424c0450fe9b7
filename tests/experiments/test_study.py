"""The study of a tuning: what it asks for, what counts, when it may go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import ParamTuning
from trainyard.host.experiments.tuning.goal import Goal
from trainyard.host.experiments.tuning.going import is_looked_at
from trainyard.host.experiments.tuning.search_space import SearchSpace
from trainyard.host.experiments.tuning.study import open_study


def goal(**changes: Any) -> Goal:
    section = {"param_type": "float", "min": 0, "max": changes.pop("max", 1)}
    space = SearchSpace.of({"x": ParamTuning.model_validate(section)})
    facts: dict[str, Any] = {"trials": 4, "fixed": {"steps": 1, "dataset": "data/a.csv"}, "seed": 1, **changes}
    return Goal(facts.pop("metric", "loss"), facts.pop("direction", "minimize"), space, **facts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max": 2}, "x (float from 0 to 1; now float from 0 to 2)"),
        ({"fixed": {"steps": 2, "dataset": "data/a.csv"}}, "another: steps (1; now 2): start anew"),
        ({"fixed": {"dataset": "data/a.csv"}}, "steps (1; now absent)"),
        ({"fixed": {"steps": 1, "dataset": "data/b.csv"}}, "dataset"),
        ({"metric": "accuracy"}, "metric (loss; now accuracy)"),
        ({"direction": "maximize"}, "direction"),
    ],
)
def test_only_the_same_search_goes_on(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    open_study(tmp_path, goal(), resume=False)
    with pytest.raises(TrainyardError) as caught:
        open_study(tmp_path, goal(**changes), resume=True)
    assert expected in str(caught.value)
    open_study(tmp_path, goal(trials=9, seed=7, timeout=3), resume=True)  # how long is searched may change


def test_what_was_interrupted_is_tried_again_once_and_what_failed_is_not(tmp_path: Path) -> None:
    study = open_study(tmp_path, goal(), resume=False)
    first, asked = study.ask()
    study.give_up(first)
    study.keep(first)
    second, _ = study.ask()
    study.fail(second, "crashed")
    study.keep(second)
    study.ask()  # its tuning is killed
    assert study.counted == 1
    study = open_study(tmp_path, goal(), resume=True)
    assert study.counted == 1
    again, params = study.ask()
    assert params == asked
    study.tell(again, 1.0)
    study.keep(again)
    assert open_study(tmp_path, goal(), resume=True).ask()[1] != asked


def test_a_resumed_study_draws_on_and_not_the_same_again(tmp_path: Path) -> None:
    drawn = []
    for resume in (False, True, True):
        study = open_study(tmp_path, goal(), resume=resume)
        for _ in range(3):
            trial, params = study.ask()
            study.tell(trial, params["x"])
            study.keep(trial)
            drawn.append(params["x"])
    assert len(set(drawn)) == 9
    assert [one.value for one in study.best(3)] == sorted(drawn)[:3]


def test_of_equals_the_earlier_is_best(tmp_path: Path) -> None:
    study = open_study(tmp_path, goal(direction="maximize"), resume=False)
    for value in (1.0, 2.0, 2.0):
        study.tell(study.ask()[0], value)
    assert [one.number for one in study.best(5)] == [1, 2, 0]


def test_defaults_come_first_then_what_was_found_before(tmp_path: Path) -> None:
    study = open_study(tmp_path, goal(known=({"x": 0.5}, {"x": 0.25}, {"x": 7}, {"y": 1})), resume=False)
    assert [study.ask()[1]["x"] for _ in range(2)] == [0.5, 0.25]


def test_a_grid_ends_once_each_combination_is_tried(tmp_path: Path) -> None:
    section = ParamTuning.model_validate({"param_type": "int", "min": 1, "max": 3})
    space = SearchSpace.of({"x": section, "y": ParamTuning.model_validate({"param_type": "boolean"})})
    few = replace(goal(known=({"x": 2},)), space=space)
    study = open_study(tmp_path, few, resume=False)
    for _ in range(4):
        trial, _ = study.ask()
        study.tell(trial, 1.0)
        study.keep(trial)
    whole = replace(few, trials=6)
    study = open_study(tmp_path, whole, resume=True)
    while study.counted < whole.trials:
        study.tell(study.ask()[0], 1.0)
    assert {tuple(one.params.values()) for one in study.best(99)} == {(x, y) for x in (1, 2, 3) for y in (False, True)}


def test_long_trials_are_compared_at_few_steps() -> None:
    assert all(is_looked_at(step) for step in range(100))
    assert sum(is_looked_at(step) for step in range(1_000_000)) == 100 + 4 * 90
