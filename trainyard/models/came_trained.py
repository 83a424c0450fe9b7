"""The TRAIN_MODULE of a model that came trained: ``make train`` leaves it as it is.

To train it here, write a ``train(msg)`` and name its module in ``.s2i/environment``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from trainyard.errors import TrainyardError


def train(msg: Mapping[str, Any]) -> NoReturn:
    """Raises:
    TrainyardError: always; a train image without make calls it."""
    raise TrainyardError(
        "this model came trained: nothing trains it here",
        "write train(msg), and name its module as TRAIN_MODULE in .s2i/environment",
    )
