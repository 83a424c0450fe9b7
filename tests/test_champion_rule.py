"""When a new model takes the champion's place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.champion_rule import Guarded, Rule, decide

ANY = st.floats(allow_nan=True, allow_infinity=True)
NUMBER = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("rule", "candidate", "champion", "promoted", "reason"),
    [
        (Rule("f1"), {"f1": 0.5}, None, True, "the first version"),
        (Rule(""), {}, None, True, "the first version"),
        (Rule("f1"), {"f1": math.nan}, None, False, "its f1 is nan"),
        (Rule("f1"), {"auc": 1.0}, None, False, "its f1 is not among its metrics"),
        (Rule("f1"), {"f1": 0.6}, {"f1": 0.5}, True, "better by 0.1"),
        (Rule("f1"), {"f1": 0.5}, {"f1": 0.5}, False, "a tie leaves the champion"),
        (Rule("f1"), {"f1": 0.4}, {"f1": 0.5}, False, "worse by 0.1"),
        (Rule("loss"), {"loss": 0.4}, {"loss": 0.5}, True, "better by 0.1"),
        (Rule("loss", "maximize"), {"loss": 0.4}, {"loss": 0.5}, False, "worse by 0.1"),
        (Rule("f1", min_delta=0.25), {"f1": 0.5}, {"f1": 0.25}, False, "not by more than min_delta 0.25"),
        (Rule("f1", min_delta=0.25), {"f1": 0.75}, {"f1": 0.25}, True, "better by 0.5, more than 0.25"),
        (Rule(""), {"f1": 0.6}, {"f1": 0.5}, False, "names no metric"),
        (Rule("f1"), {"f1": 0.6}, {"f1": math.nan}, True, "the champion's is nan"),
        (Rule("f1"), {"f1": math.inf}, {"f1": 0.5}, False, "its f1 is inf"),
        (Rule("f1", guards={"recall": Guarded()}), {"f1": 0.6, "recall": 0.4}, {"f1": 0.5, "recall": 0.5}, False,
         "the guarded recall 0.4 is worse than the champion's 0.5 by 0.1"),
        (Rule("f1", guards={"recall": Guarded(0.25)}), {"f1": 0.6, "recall": 0.25}, {"f1": 0.5, "recall": 0.5}, True,
         "better by 0.1"),
        (Rule("f1", guards={"loss": Guarded()}), {"f1": 0.6, "loss": 0.6}, {"f1": 0.5, "loss": 0.5}, False, "loss 0.6"),
        (Rule("f1", guards={"recall": Guarded()}), {"f1": 0.6, "recall": 0.5}, {"f1": 0.5, "recall": 0.5}, True,
         "better by 0.1"),
        (Rule("f1", guards={"recall": Guarded()}), {"f1": 0.6, "recall": 0.9}, {"f1": 0.5, "recall": 0.5}, True,
         "better by 0.1"),
        (Rule("f1", guards={"recall": Guarded()}), {"f1": 0.6}, {"f1": 0.5, "recall": 0.5}, False, "not among"),
        (Rule("f1", guards={"recall": Guarded()}), {"f1": 0.6, "recall": 0.1}, {"f1": 0.5}, True, "better"),
    ],
)  # fmt: skip
def test_decisions(
    rule: Rule, candidate: dict[str, float], champion: dict[str, float] | None, promoted: bool, reason: str
) -> None:
    decision = decide(rule, candidate, champion)
    assert decision.promoted == promoted, decision
    assert reason in decision.reason


@given(ANY, ANY, st.floats(0, 1e6), st.sampled_from(["f1", "loss"]))
def test_what_is_no_number_is_never_promoted_over_a_champion(new: float, old: float, delta: float, metric: str) -> None:
    decision = decide(Rule(metric, min_delta=delta), {metric: new}, {metric: old})
    assert "\n" not in decision.reason
    if not math.isfinite(new):
        assert not decision.promoted


@given(NUMBER, NUMBER, st.floats(0, 1e3), st.sampled_from(["f1", "loss"]))
def test_of_two_models_at_most_one_takes_the_others_place(a: float, b: float, delta: float, metric: str) -> None:
    rule = Rule(metric, min_delta=delta)
    assert not (decide(rule, {metric: a}, {metric: b}).promoted and decide(rule, {metric: b}, {metric: a}).promoted)
    assert not decide(rule, {metric: a}, {metric: a}).promoted


@given(NUMBER, NUMBER, NUMBER, NUMBER, st.floats(0, 1e3))
def test_no_promotion_worsens_a_guarded_metric(new: float, old: float, guard: float, before: float, far: float) -> None:
    rule = Rule("f1", guards={"recall": Guarded(far)})
    if decide(rule, {"f1": new, "recall": guard}, {"f1": old, "recall": before}).promoted:
        assert before - guard <= far
