"""Numbers, and things that a protocol has to find words for."""

import os
import time
from pathlib import Path

import numpy as np

Path("models/sums.pkl").read_bytes()


def total(msg):
    return {"predictions": np.asarray(msg["payload"]["instances"], dtype=float).sum(axis=1)}


def plain(msg):
    payload = msg["payload"]
    return {
        "predictions": [sum(row) for row in payload["instances"]],
        "rows": payload["instances"],
        "asked": payload.get("parameters"),
    }


def odd(msg):
    return {
        "predictions": np.array([[1, 2], [3, 4]]),
        "scores": [None, float("nan"), np.float32(0.5)],
        "text": "of no row",
    }


def slow(msg):
    time.sleep(msg["payload"]["instances"][0][0])
    return {"predictions": [True]}


def environ(msg):
    return {"predictions": [f"{name}={value}" for name, value in os.environ.items()]}


def echo(msg):
    return {"predictions": msg["payload"]["instances"]}
