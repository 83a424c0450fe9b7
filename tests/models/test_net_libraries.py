"""Nets as PyTorch and Keras fit them. Neither is installed for tests: both are large, and what is not there is skipped.

A virtual environment with one of them, pytest, numpy, onnx and threadpoolctl runs this file: CONTRIBUTING.md says how.
"""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from trainyard.errors import TrainyardError
from trainyard.models.nets import Classifier, Net, Regressor

pytestmark = pytest.mark.slow
LIBRARIES = ("torch", "keras")


class Torch:
    """The same nets in PyTorch's words."""

    def __init__(self) -> None:
        from torch import nn

        from trainyard.models import torch_nets

        self.nn, self.module = nn, torch_nets
        self.kinds: dict[type[Net], Any] = {
            Classifier: torch_nets.TorchClassifier,
            Regressor: torch_nets.TorchRegressor,
        }

    def layers(self, features: int, outputs: int, *, hidden: int, dropout: float) -> Any:
        nn = self.nn
        return nn.Sequential(
            nn.Sequential(nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()),
            nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Sigmoid(),
            nn.BatchNorm1d(hidden, affine=False), nn.Linear(hidden, outputs),
        )  # fmt: skip

    def unreadable(self, features: int, outputs: int) -> Any:
        return self.nn.Sequential(self.nn.Linear(features, outputs), self.nn.LayerNorm(outputs))

    def own_outputs(self, net: Any, features: Any) -> Any:
        import torch

        return net.eval()(torch.from_numpy(features)).detach().numpy()


class Keras:
    """In Keras's."""

    def __init__(self) -> None:
        import keras

        from trainyard.models import keras_nets

        self.keras, self.module = keras, keras_nets
        self.kinds: dict[type[Net], Any] = {
            Classifier: keras_nets.KerasClassifier,
            Regressor: keras_nets.KerasRegressor,
        }

    def layers(self, features: int, outputs: int, *, hidden: int, dropout: float) -> Any:
        of = self.keras.layers
        return self.keras.Sequential([
            self.keras.Sequential([of.Dense(hidden, use_bias=False), of.BatchNormalization(), of.Activation("relu")]),
            of.Dropout(dropout), of.Dense(hidden, activation="tanh"), of.Dense(hidden, activation="sigmoid"),
            of.BatchNormalization(scale=False), of.Dense(outputs),
        ])  # fmt: skip

    def unreadable(self, _features: int, outputs: int) -> Any:
        return self.keras.Sequential([self.keras.layers.Dense(outputs, activation="gelu")])

    def own_outputs(self, net: Any, features: Any) -> Any:
        return net.predict(features, verbose=0)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Any:
    if not find_spec(request.param):
        pytest.skip(f"{request.param} is not installed")
    return Torch() if request.param == "torch" else Keras()


def rows(count: int = 600) -> tuple[Any, list[int], list[float]]:
    features = np.random.default_rng(3).normal(size=(count, 6))
    classes = (features[:, 0] + features[:, 1] > 0).astype(int) + (features[:, 2] > 1)
    return features, classes.tolist(), (500 + 100 * features[:, 0] * features[:, 1]).tolist()


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_it_learns_and_equal_seeds_give_equal_bytes(library: Any, kind: type[Net]) -> None:
    features, classes, numbers = rows()
    targets: list[Any] = classes if kind is Classifier else numbers

    def fitted(seed: int, epochs: list[int] | None = None) -> Any:
        net = library.kinds[kind](
            library.layers, epochs=30, learning_rate=0.01, random_state=seed, hidden=24, dropout=0.1
        )
        net.fit(features[:500], targets[:500], None if epochs is None else epochs.append)
        return net

    epochs: list[int] = []
    net = fitted(7)
    assert pickle.dumps(net) == pickle.dumps(fitted(7, epochs))
    assert pickle.dumps(net) != pickle.dumps(fitted(8))
    assert epochs == list(range(30))
    if kind is Classifier:
        assert np.mean(net.predict_proba(features[500:]).argmax(axis=1) == classes[500:]) > 0.8
    else:
        error = np.std(net.predict(features[500:]) - numbers[500:])
        assert error < 0.7 * np.std(numbers[500:])


def test_every_layer_is_read_as_its_library_computes_it(library: Any) -> None:
    features, classes, _ = rows()
    kept: list[Any] = []

    def layers(*sizes: int, **more: Any) -> Any:
        kept.append(library.layers(*sizes, **more))
        return kept[0]

    net = library.kinds[Classifier](layers, epochs=3, learning_rate=0.01, random_state=7, hidden=9, dropout=0.3)
    net.fit(features, classes)
    own = library.own_outputs(kept[0], features.astype(np.float32))
    np.testing.assert_allclose(net._outputs(features), own, rtol=1e-4, atol=1e-5)


def test_a_layer_that_cannot_be_served_is_named_before_the_training(library: Any) -> None:
    features, classes, _ = rows(40)
    epochs: list[int] = []
    net = library.kinds[Classifier](library.unreadable, epochs=3, learning_rate=0.01, random_state=7)
    with pytest.raises(TrainyardError, match="which cannot be served") as raised:
        net.fit(features, classes, epochs.append)
    assert "FRAMEWORK=plain" in raised.value.hint
    assert epochs == []
