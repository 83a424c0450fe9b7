"""Nets as numpy arrays: what is pickled, compiled and reported, whoever fits them. Here numpy does."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.models import nets
from trainyard.models.binaries import load_model
from trainyard.models.nets import Activation, Classifier, Regressor, Step, affine, batches, normalized, to_onnx
from trainyard.models.tables import Table
from trainyard.models.training import Job, fit_classifier, fit_regressor, save

pytestmark = pytest.mark.slow  # scikit-learn takes seconds to import, in each worker

COLUMNS = ("size", "place")


class _LeastSquares:
    """The last layer is solved for, the first is drawn; each epoch uses more of the rows."""

    epochs: int
    sizes: dict[str, Any]
    is_classifier: bool

    def _train(self, inputs: Any, wanted: Any, outputs: int, learned: Callable[[int, Sequence[Step]], None]) -> None:
        first = affine(np.random.default_rng(7).normal(size=(inputs.shape[1], self.sizes["hidden"])), [0.1])
        targets = 6.0 * np.eye(outputs)[wanted] if self.is_classifier else wanted
        for epoch in range(-1, self.epochs):
            rows = len(inputs) * (epoch + 2) // (self.epochs + 1)
            seen = np.tanh(first.apply(inputs[:rows].astype(np.float64)))
            last = np.linalg.solve(seen.T @ seen + np.eye(seen.shape[1]), seen.T @ targets[:rows])
            last *= self.sizes.get("by", 1.0)
            learned(epoch, [first, Activation("Tanh"), affine(last, np.zeros(outputs))])


class OwnClassifier(_LeastSquares, Classifier): ...


class OwnRegressor(_LeastSquares, Regressor): ...


def layers() -> None: ...


def net_of(kind: type[Any], **sizes: float) -> Any:
    return kind(layers, epochs=3, learning_rate=0.1, random_state=7, **{"hidden": 20, **sizes})


def table(rows: int, *, classes: bool) -> Table:
    rng = np.random.default_rng(rows)
    values = [[float(rng.normal(50, 20)), f"p{rng.integers(3)}"] for _ in range(rows)]
    labels = ["large" if size > 50 else "small" if size > 30 else "tiny" for size, _ in values]
    return Table(Path("data/t.csv"), COLUMNS, values, labels if classes else [1e6 + 10 * row[0] for row in values])


@pytest.mark.parametrize("classes", [True, False])
def test_a_net_is_compiled_reports_each_epoch_and_is_the_same_if_nobody_asks(workdir: Path, classes: bool) -> None:
    fit, kind = (fit_classifier, OwnClassifier) if classes else (fit_regressor, OwnRegressor)
    training, held_out = table(300, classes=classes), table(60, classes=classes)
    quiet = fit(net_of(kind), training, scale=True, held_out=held_out)
    (workdir / "run").mkdir()
    model = fit(net_of(kind), training, scale=True, held_out=held_out)
    assert pickle.dumps(quiet["estimator"]) == pickle.dumps(model["estimator"])
    save(Job(training.path, "m", {}), model, held_out)
    record = json.loads(Path("models/m.json").read_text())
    assert record["compiled"]["compared_rows"] == 60
    assert type(load_model("m")["estimator"]).__name__ == "CompiledEstimator"
    lines = [json.loads(line) for line in (workdir / "run" / "metrics.jsonl").read_text().splitlines()]
    name = "log_loss" if classes else "rmse"
    reported = {(line["name"], line["step"]): line["value"] for line in lines}
    assert {(name, 0), (name, 1), (name, 2), (f"train_{name}", 2)} <= reported.keys()
    assert reported[name, 2] == pytest.approx(record["metrics"][name], rel=1e-6)
    assert record["metrics"]["accuracy"] > 0.8 if classes else record["metrics"]["r2"] > 0.8


def test_a_pickle_has_numbers_alone() -> None:
    net = net_of(OwnRegressor)
    net.fit(np.ones((4, 2)), [1.0, 2.0, 3.0, 4.0])
    content = pickle.dumps(net)
    assert b"layers" in content
    assert pickle.loads(content).layers is None
    assert (pickle.loads(content).predict(np.ones((2, 2))) == net.predict(np.ones((2, 2)))).all()


def test_a_net_that_diverges_is_one_line() -> None:
    with pytest.raises(TrainyardError, match="diverged in epoch -1") as raised:
        net_of(OwnRegressor, by=np.inf).fit(np.ones((4, 2)), [1.0, 2.0, 3.0, 4.0])
    assert "learning_rate" in raised.value.hint


@settings(deadline=None)  # the first one imports onnx
@given(st.lists(st.sampled_from(["affine", "norm", *nets.ACTIVATIONS]), max_size=6), st.integers(1, 5), st.booleans())
def test_any_steps_answer_alike_when_compiled(kinds: list[str], width: int, classes: bool) -> None:
    rng, steps, inputs = np.random.default_rng(len(kinds)), [], width
    for kind in (*kinds, "affine"):
        if kind == "affine":
            steps.append(affine(rng.normal(size=(width, 3)), rng.normal(size=3)))
            width = 3
        elif kind == "norm":
            mean, variance, scale, shift = rng.normal(size=(4, width))
            steps.append(normalized(mean, variance**2, 1e-3, scale, shift))
        else:
            steps.append(Activation(kind))
    net = net_of(OwnClassifier if classes else OwnRegressor)
    net.steps, features = tuple(steps), rng.normal(size=(7, inputs))
    session = onnxruntime.InferenceSession(to_onnx(net, inputs).SerializeToString())
    compiled = session.run(None, {"features": features.astype(np.float32)})[0]
    own = net.predict_proba(features) if classes else net.predict(features)
    np.testing.assert_allclose(compiled if classes else compiled[:, 0], own, rtol=1e-3, atol=1e-4)


@given(st.integers(2, 200))
def test_no_batch_is_of_one_row(rows: int) -> None:
    parts = batches(rows, np.arange(rows))
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert min(map(len, parts)) > 1
    assert max(map(len, parts)) <= nets.ROWS_AT_ONCE
