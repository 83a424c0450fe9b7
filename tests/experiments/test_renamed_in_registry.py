"""make rename and make remove with a tracker: the registered model goes along, and serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from monorepo import Monorepo, free_port

from experiments.tracking import WAIT, Tracking

pytestmark = pytest.mark.slow
TRAIN = """
from trainyard.models.binaries import save_model


def train(msg):
    save_model({"factor": 2}, msg["payload"]["model_name"], metrics={"loss": 0.5})
    return {"loss": 0.5}
"""
PREDICT = """
from trainyard.models.binaries import load_model, served_model_name


def predict_linear(msg):
    model = load_model(served_model_name("linear"))
    return {"predictions": [model["factor"] * sum(row) for row in msg["payload"]["instances"]]}
"""


def test_a_champion_is_served_under_the_new_name_and_goes_with_the_model(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    model = repo.add_model("linear", "rents")
    (model.path / "train.py").write_text(TRAIN)
    (model.path / "predict.py").write_text(PREDICT)
    for name in ("requirements_train.txt", "requirements_predict.txt"):
        (model.path / name).write_text("joblib\n")
    tracking = Tracking(repo)
    tracking.start()
    try:
        repo.make(model, "train", **WAIT).succeeded()
        made = repo.make(None, "rename", "MODEL=rents/linear", "TO=houses/ridge", **WAIT).succeeded()
        assert "rents.linear -> houses.ridge, 1 version(s)" in made.out
        port = free_port()
        renamed = repo.path / "projects" / "houses" / "ridge"
        repo.make(renamed, "predict", "DETACH=1", "VERSION=champion", f"PORT={port}", **WAIT).succeeded()
        answer = repo.make(renamed, "test-endpoint", f"PORT={port}").succeeded()
        assert "14" in answer.out
        repo.make(renamed, "stop").succeeded()
        repo.make(renamed, "promote", "FORCE=1", **WAIT).succeeded()
        made = repo.make(None, "remove", "MODEL=houses/ridge", "FORCE=1", **WAIT).succeeded()
        assert "houses.ridge, 1 version(s)" in made.out
        assert not [*tracking.client.search_registered_models()]
    finally:
        tracking.stop()
