"""One function per thing that a predict function can do."""

import os
import time
from pathlib import Path

import numpy as np

from trainyard.contract.message import Message
from trainyard.errors import BadRequest

calls = 0


def total(msg):
    global calls
    calls += 1
    return {"predictions": np.asarray(msg.payload["instances"], dtype=float).sum(axis=1), "calls": calls}


def echo(msg):
    return {"predictions": msg["payload"]["instances"]}


def crash(msg):
    raise ValueError("a secret in the text")


def leave(msg):
    raise SystemExit(3)


def close_generator(msg):
    raise GeneratorExit


def listed(msg):
    return [1, 2]


def named(msg):
    return {"predictions": [os.environ["MODEL_NAME"]]}


def slow(msg):
    Path("started").write_text("")
    time.sleep(msg.payload["instances"][0][0])
    return {"predictions": ["done"]}


def read_binary(msg):
    with open("models/price.pkl") as file:  # noqa: PTH123 -- as historical code does
        return {"predictions": [file.read()]}


def odd(msg):
    return {"predictions": [object()]}


def numbers(msg):
    return {
        "scalar": np.float32(0.5),
        "flag": np.bool_(True),
        "array": np.arange(4).reshape(2, 2)[::-1],
        "text": np.array(["a", "b"]),
        "objects": np.array([np.int64(1), "a"], dtype=object),
        "nan": float("nan"),
        1: "key",
    }


def refuse(msg):
    raise BadRequest("instances[0][1] is text where price belongs", "send a number")


def wrapped(msg):
    return Message(payload={"predictions": [1]}, sessionId="x")


def pid(msg):
    time.sleep(0.05)  # so that the other worker gets its share
    return {"predictions": [os.getpid()]}


def environ(msg):
    names = ("MODEL_NAME", "MODElNAME", "OMP_NUM_THREADS")
    return {"predictions": [os.environ.get(name) for name in names], "umask": os.umask(0o002)}
