from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common_utils.predicting import instances_of
from common_utils.training import read_job
from trainyard.contract.message import Message
from trainyard.errors import BadRequest, TrainyardError

ROOT = Path(__file__).parents[2]
CATBOOST = """
import os
import pickle
import catboost
from common_utils.predicting import OneThread

model = catboost.{kind}(iterations=2, thread_count=1, verbose=False, allow_writing_files=False)
wrapped = OneThread(model)
wrapped.fit([[0.0], [1.0]] * 20, [0, 1] * 20)
expected = getattr(pickle.loads(pickle.dumps(model)), "{method}")
before = len(os.listdir("/proc/self/task"))
for rows in (1, 1000):
    getattr(pickle.loads(pickle.dumps(wrapped)), "{method}")([[0.5]] * rows)
assert len(os.listdir("/proc/self/task")) == before
assert (wrapped.{method}([[0.5]]) == expected([[0.5]])).all()
"""
DEFAULTS = {"depth": 3, "rate": 0.1, "kind": "gini"}


def test_one_flat_instance_counts_as_a_list_of_one() -> None:
    assert instances_of({"payload": {"instances": [1, "a"]}}) == [[1, "a"]]
    assert instances_of(Message(payload={"instances": [[1, "a"], [2, "b"]]})) == [[1, "a"], [2, "b"]]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "no payload"),
        ({"payload": None}, "no payload"),
        ({"payload": [1]}, "no payload"),
        ({"payload": {}}, "no list of instances"),
        ({"payload": {"instances": "abc"}}, "no list of instances"),
        ({"payload": {"instances": []}}, "is empty"),
    ],
)
def test_a_message_without_instances_says_what_to_send(body: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        instances_of(body)
    assert '{"payload": {"instances": [[...], ...]}}' in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method"), [("CatBoostClassifier", "predict_proba"), ("CatBoostRegressor", "predict")]
)
def test_catboost_predicts_in_the_calling_thread(kind: str, method: str) -> None:
    """Models of a process with other threads cannot be shared between workers."""
    script = CATBOOST.format(kind=kind, method=method)
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=120)


def test_params_of_the_payload_override_the_defaults() -> None:
    payload = {"$ref": "data/a.csv", "model_name": "m", "params": {"depth": 5, "rate": 1, "kind": None}}
    job = read_job(Message(payload=payload), DEFAULTS)
    assert str(job.dataset) == "data/a.csv"
    assert job.params == {"depth": 5, "rate": 1, "kind": None}
    assert job.part == "test"
    assert DEFAULTS["depth"] == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"$ref": None}, "names no dataset"),
        ({"model_name": None}, "None cannot be a model name"),
        ({"model_name": "../evil"}, "'../evil' cannot be a model name"),
        ({"measure_on": "train"}, 'measure_on in the payload is \'train\': give "test" or "validation"'),
        ({"params": [1]}, "params in the payload is not an object"),
        ({"params": {"dpeth": 5}}, "unknown parameter 'dpeth'.*known: depth, rate, kind"),
        ({"params": {"depth": "5"}}, "parameter 'depth' is '5'"),
        ({"params": {"depth": True}}, "parameter 'depth' is True"),
    ],
)
def test_a_bad_training_payload_is_one_line(change: dict[str, Any], says: str) -> None:
    payload = {"$ref": "data/a.csv", "model_name": "m"} | change
    with pytest.raises(TrainyardError, match=says) as caught:
        read_job(Message(payload=payload), DEFAULTS)
    assert "\n" not in str(caught.value)
