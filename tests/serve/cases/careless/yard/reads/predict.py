"""Opens its model by itself, below the working directory."""

import os
import time


def predict(msg):
    with open("models/price.pkl") as file:  # noqa: PTH123
        return {"predictions": [file.read()]}


def named(msg):
    return {"predictions": [os.environ.get(name) for name in ("MODEL_NAME", "MODElNAME")]}


def waits(msg):
    """Long enough that it is called in a thread."""
    time.sleep(0.01)
    return predict(msg)
