"""Nets that Keras fits by TensorFlow, in one thread; for training only. ``layers`` gives a ``keras.Sequential``.

Import keras from here: TensorFlow reads how much it shall print, and by which library it computes, when it is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from trainyard.errors import TrainyardError
from trainyard.models.nets import (
    READABLE,
    ROWS_AT_ONCE,
    Activation,
    Classifier,
    Net,
    Regressor,
    Step,
    affine,
    normalized,
)
from trainyard.settings.own_process import calm_tensorflow

calm_tensorflow()
import keras  # noqa: E402 -- TensorFlow reads it then
from keras import layers as kinds  # noqa: E402

__all__ = ["KerasClassifier", "KerasRegressor", "keras", "steps_of"]
_ACTIVATIONS = {"linear": "", "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class _Keras(Net):
    def _train(
        self, inputs: NDArray[Any], wanted: NDArray[Any], outputs: int, learned: Callable[[int, Sequence[Step]], None]
    ) -> None:
        _one_thread(self.random_state)
        assert self.layers is not None
        net = self.layers(inputs.shape[1], outputs, **self.sizes)
        net.build((None, inputs.shape[1]))
        learned(-1, steps_of(net))
        net.compile(
            optimizer=keras.optimizers.Adam(self.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True) if self.is_classifier else "mse",
            jit_compile=False,
        )
        report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: learned(epoch, steps_of(net)))
        net.fit(inputs, wanted, batch_size=ROWS_AT_ONCE, epochs=self.epochs, verbose=0, callbacks=[report])


class KerasClassifier(_Keras, Classifier):
    """A net of classes, fitted by Keras."""


class KerasRegressor(_Keras, Regressor):
    """A net of one number, fitted by Keras."""


def steps_of(net: Any) -> list[Step]:
    """What a net does to a row once it is fitted.

    Raises:
        TrainyardError: it has a layer that is not known here.
    """
    if not isinstance(net, keras.Sequential):
        raise _unreadable(type(net).__name__)
    steps: list[Step] = []
    for layer in net.layers:
        if isinstance(layer, keras.Sequential):
            steps += steps_of(layer)
        elif isinstance(layer, kinds.Dense):
            weights, *bias = layer.get_weights()
            steps += [affine(weights, bias[0] if bias else [0.0] * weights.shape[1]), *_activation(layer)]
        elif isinstance(layer, kinds.BatchNormalization):
            *own, mean, variance = (weight.numpy() for weight in layer.weights)
            scale, shift = own.pop(0) if layer.scale else 1.0, own.pop(0) if layer.center else 0.0
            steps.append(normalized(mean, variance, layer.epsilon, scale, shift))
        elif isinstance(layer, kinds.Activation):
            steps += _activation(layer)
        elif not isinstance(layer, (kinds.Dropout, kinds.InputLayer)):
            raise _unreadable(type(layer).__name__)
    return steps


def _activation(layer: Any) -> list[Step]:
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name not in _ACTIVATIONS:
        raise _unreadable(f"{type(layer).__name__}(activation={name})")
    return [Activation(_ACTIVATIONS[name])] if _ACTIVATIONS[name] else []


def _unreadable(layer: str) -> TrainyardError:
    return TrainyardError(
        f"the net has the layer {layer}, which cannot be served",
        f"use {READABLE} in a keras.Sequential, or make a model with FRAMEWORK=plain",
    )


def _one_thread(seed: int) -> None:
    """Sums in another order round otherwise. TensorFlow takes the number of threads before its first computation."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # it has computed something in this process already
        pass
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
