"""Nets that PyTorch fits, in one thread; for training only. ``layers`` gives a ``torch.nn.Sequential``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from trainyard.errors import TrainyardError
from trainyard.models.nets import READABLE, Activation, Classifier, Net, Regressor, Step, affine, batches, normalized

_ACTIVATIONS = {nn.ReLU: "Relu", nn.Tanh: "Tanh", nn.Sigmoid: "Sigmoid"}


class _Torch(Net):
    def _train(
        self, inputs: NDArray[Any], wanted: NDArray[Any], outputs: int, learned: Callable[[int, Sequence[Step]], None]
    ) -> None:
        with _one_thread(self.random_state):
            assert self.layers is not None
            net = self.layers(inputs.shape[1], outputs, **self.sizes)
            learned(-1, steps_of(net))
            optimizer = torch.optim.Adam(net.parameters(), lr=self.learning_rate)
            loss = nn.CrossEntropyLoss() if self.is_classifier else nn.MSELoss()
            features, targets = torch.from_numpy(inputs), torch.from_numpy(wanted)
            for epoch in range(self.epochs):
                net.train()
                for rows in batches(len(inputs), torch.randperm(len(inputs)).numpy()):
                    optimizer.zero_grad()
                    loss(net(features[rows]), targets[rows]).backward()
                    optimizer.step()
                learned(epoch, steps_of(net))


class TorchClassifier(_Torch, Classifier):
    """A net of classes, fitted by PyTorch."""


class TorchRegressor(_Torch, Regressor):
    """A net of one number, fitted by PyTorch."""


def steps_of(net: Any) -> list[Step]:
    """What a net does to a row once it is fitted.

    Raises:
        TrainyardError: it has a layer that is not known here.
    """
    steps = []
    for layer in net.children() if isinstance(net, nn.Sequential) else [net]:
        if isinstance(layer, nn.Sequential):
            steps += steps_of(layer)
        elif isinstance(layer, nn.Linear):
            weights = _numbers(layer.weight).T
            steps.append(affine(weights, [0.0] * weights.shape[1] if layer.bias is None else _numbers(layer.bias)))
        elif isinstance(layer, nn.BatchNorm1d):
            if layer.running_mean is None:
                raise _unreadable("BatchNorm1d(track_running_stats=False)")
            own = (_numbers(layer.weight), _numbers(layer.bias)) if layer.affine else ()
            mean, variance = _numbers(layer.running_mean), _numbers(layer.running_var)
            steps.append(normalized(mean, variance, layer.eps, *own))
        elif type(layer) in _ACTIVATIONS:
            steps.append(Activation(_ACTIVATIONS[type(layer)]))
        elif not isinstance(layer, (nn.Dropout, nn.Identity)):
            raise _unreadable(type(layer).__name__)
    return steps


def _numbers(tensor: Any) -> NDArray[Any]:
    found: NDArray[Any] = tensor.detach().numpy()
    return found


def _unreadable(layer: str) -> TrainyardError:
    return TrainyardError(
        f"the net has the layer {layer}, which cannot be served",
        f"use {READABLE} in a torch.nn.Sequential, or make a model with FRAMEWORK=plain",
    )


@contextmanager
def _one_thread(seed: int) -> Iterator[None]:
    """Sums in another order round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
