"""Small nets for tables: a library fits them, and what they have learned is numpy arrays.

So neither the server nor a pickle needs the library, a compiled form is exact, and a pickle holds no code of it. The
layers of a net are whatever its author writes, of those kinds that `trainyard.models.torch_nets` and
`trainyard.models.keras_nets` can read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainyard.errors import TrainyardError

Numbers = NDArray[np.float64]
OPSET, IR_VERSION = 18, 8
ROWS_AT_ONCE = 32  # that one step of the training looks at
ACTIVATIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "Relu": lambda values: np.maximum(values, 0.0),
    "Tanh": np.tanh,
    "Sigmoid": lambda values: 0.5 * (1.0 + np.tanh(0.5 * values)),
}  # by the names of ONNX
READABLE = "linear (dense) layers, ReLU, tanh, sigmoid, dropout and batch normalization"


@dataclass(frozen=True)
class Affine:
    """``values @ weights + bias``, or ``values * weights + bias`` where the weights are of one dimension."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def apply(self, values: Numbers) -> Numbers:
        """Values of shape ``(rows, width)`` to others, of a width of its own."""
        weights = self.weights.astype(np.float64)
        return np.asarray((values @ weights if weights.ndim == 2 else values * weights) + self.bias)


@dataclass(frozen=True)
class Activation:
    """One of ``ACTIVATIONS``."""

    name: str

    def apply(self, values: Numbers) -> Numbers:
        """Of the same shape."""
        return ACTIVATIONS[self.name](values)


Step = Affine | Activation


def affine(weights: Any, bias: Any) -> Affine:
    """A step that has copies of the arrays."""
    return Affine(np.array(weights, dtype=np.float32, order="C"), np.array(bias, dtype=np.float32))


def normalized(mean: Any, variance: Any, epsilon: float, scale: Any = 1.0, shift: Any = 0.0) -> Affine:
    """What batch normalization does to a row after training."""
    factor = np.asarray(scale, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    return affine(factor, np.asarray(shift, np.float64) - np.asarray(mean, np.float64) * factor)


class Net:
    """A net that is fitted in epochs. Subclasses for a library have ``_train``.

    Args:
        layers: ``layers(features, outputs, **sizes)`` makes the net, with nothing after the last linear layer.
        epochs: how often it sees all rows.
        learning_rate: of Adam.
        random_state: equal ones give equal nets, on one kind of machine.
        sizes: whatever else ``layers`` takes.
    """

    is_classifier = False

    def __init__(
        self, layers: Callable[..., Any], *, epochs: int, learning_rate: float, random_state: int, **sizes: Any
    ) -> None:
        self.layers: Callable[..., Any] | None = layers
        self.epochs, self.learning_rate, self.random_state, self.sizes = epochs, learning_rate, random_state, sizes
        self.steps: tuple[Step, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "layers": None}  # it would have to be imported, with its library, to be unpickled

    def fit(self, features: Any, targets: Sequence[Any], after_epoch: Callable[[int], None] | None = None) -> None:
        """Learn; ``after_epoch`` is called with 0, 1, ..., and may ask for predictions.

        Raises:
            TrainyardError: ``layers`` has a layer that cannot be read, or what it learned is no number any more.
        """
        outputs, wanted, back = self._prepared(targets)
        inputs = np.asarray(features, dtype=np.float32)

        def learned(epoch: int, steps: Sequence[Step]) -> None:
            if not all(np.isfinite(step.weights).all() for step in steps if isinstance(step, Affine)):
                raise TrainyardError(f"the net diverged in epoch {epoch}", "give a smaller learning_rate")
            self.steps = (*steps, *back)
            if after_epoch is not None and epoch >= 0:
                after_epoch(epoch)

        self._train(inputs, wanted, outputs, learned)

    def _prepared(self, targets: Sequence[Any]) -> tuple[int, NDArray[Any], tuple[Step, ...]]:
        """How many outputs, what they shall be, and the steps from an output to a prediction."""
        if self.is_classifier:
            return len(set(targets)), np.asarray(targets, dtype=np.int64), ()
        numbers = np.asarray(targets, dtype=np.float64)
        mean, spread = numbers.mean(), numbers.std() or 1.0
        return 1, ((numbers - mean) / spread).astype(np.float32).reshape(-1, 1), (affine([spread], [mean]),)

    def _train(
        self, inputs: NDArray[Any], wanted: NDArray[Any], outputs: int, learned: Callable[[int, Sequence[Step]], None]
    ) -> None:
        """Fit the layers, and hand over the steps before the first epoch (as -1) and after each."""
        raise NotImplementedError

    def _outputs(self, features: Any) -> Numbers:
        values: Numbers = np.asarray(features, dtype=np.float64)
        for step in self.steps:
            values = step.apply(values)
        return values


class Classifier(Net):
    """Targets are 0, 1, ...; every class has to be among them."""

    is_classifier = True

    def predict_proba(self, features: Any) -> Numbers:
        """Scores of shape ``(rows, classes)``; those of a row add up to 1."""
        outputs = self._outputs(features)
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


class Regressor(Net):
    """Targets are numbers of any size."""

    def predict(self, features: Any) -> Numbers:
        """One number per row."""
        return self._outputs(features)[:, 0]


def batches(rows: int, order: Any) -> list[Any]:
    """``order``, a permutation of the rows, in parts of nearly equal size; none is of one row where there are two."""
    return np.array_split(order, -(-rows // ROWS_AT_ONCE))


def to_onnx(net: Net, width: int) -> Any:
    """The net as an ONNX model of ``width`` features."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []
    at = "features"

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, list(inputs), [f"v{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    def constant(array: Any) -> str:
        constants.append(numpy_helper.from_array(array, f"c{len(constants)}"))
        return str(constants[-1].name)

    for step in net.steps:
        if isinstance(step, Activation):
            at = add(step.name, at)
        else:
            at = add("MatMul" if step.weights.ndim == 2 else "Mul", at, constant(step.weights))
            at = add("Add", at, constant(step.bias))
    if net.is_classifier:
        at = add("Softmax", at, axis=1)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])
        for name, size in (("features", width), (at, None))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
