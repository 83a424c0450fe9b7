"""A monorepo whose models report metrics by step and take parameters."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator

import pytest
from monorepo import Model, Monorepo

TRAIN = '''
import json
import os
import pathlib
import pickle
import time

from utils.runs import log_metrics, set_tag


def train(msg):
    """A parabola with its lowest point at x = 2."""
    payload = msg["payload"]
    params = {"x": 0.0, "steps": 3, "pause": 0.0, **payload.get("params", {})}
    name = payload["model_name"]
    for step in range(params["steps"]):
        log_metrics({"loss": (params["x"] - 2) ** 2 + 1 / (step + 1)}, step)
        time.sleep(params["pause"])
    if params.get("crash"):
        raise RuntimeError("as asked")
    set_tag("shape", "parabola")
    loss = float("nan") if params.get("nan") else (params["x"] - 2) ** 2
    pathlib.Path(f"models/{name}.pkl").write_bytes(pickle.dumps({"factor": params["x"], "rows": 2}))
    record = {"metrics": {"loss": loss, "accuracy": 1 / (1 + loss)}, "params": params}
    record["measured_on"] = payload.get("measure_on", "test")
    pathlib.Path(f"models/{name}.json").write_text(json.dumps(record))
    print("trained by process", os.getpid())
    return {"loss": loss}
'''


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    yield Monorepo(tmp_path_factory.mktemp("repo"))


@pytest.fixture
def model(repo: Monorepo, request: pytest.FixtureRequest) -> Iterator[Model]:
    """A fresh model for each test, in a project of its own: runs are a project's."""
    name = "m_" + re.sub("[^a-z0-9]+", "_", request.node.name.lower())[:30].strip("_")
    name += f"_{zlib.crc32(request.node.nodeid.encode()):x}"  # of a test with parameters, too
    model = repo.add_model(name, project=f"p{name}")
    (model.path / "train.py").write_text(TRAIN)
    yield model
    shutil.rmtree(model.path.parent)
