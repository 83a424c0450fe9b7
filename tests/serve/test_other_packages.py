"""A model that was trained with other versions of packages than the server has: output, or refused."""

import hashlib
import json
from importlib import metadata

import pytest
import requests

pytestmark = pytest.mark.slow

PREDICT = """
from pathlib import Path

MODEL = Path("models/price.pkl").read_text()


def predict(msg):
    return {"predictions": [MODEL] * len(msg.payload["instances"])}
"""
HERE = f"numpy 0.1 (here {metadata.version('numpy')})"


def write(folder, text, numpy):
    """A binary, and a record of a training with that version of numpy."""
    record = {
        "model_name": "price",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "installed": {"numpy": numpy, "of-training-alone": "1"},
        "sample": {"instances": [[1]]},
    }
    (folder / "models/price.json").write_text(json.dumps(record))
    (folder / "models/price.pkl").write_text(text)


@pytest.fixture
def folder(tmp_path):
    for name in (".s2i", "models", "shop"):
        (tmp_path / name).mkdir()
    (tmp_path / ".s2i/environment").write_text("ROUTES=price:shop.predict:predict\n")
    (tmp_path / "shop/predict.py").write_text(PREDICT)
    return tmp_path


def facts(daemon):
    return requests.get(f"{daemon.url}/readyz", timeout=20).json()["routes"]["price"]


def test_equal_packages_are_not_worth_a_word(folder, start):
    write(folder, "one", metadata.version("numpy"))
    daemon = start(folder, MODEL_NAME="price", STRICT="1")
    assert daemon.post("price").status_code == 200
    assert "warning" not in facts(daemon)
    assert "WARNING" not in daemon.text()


def test_other_packages_are_a_warning_once(folder, start):
    write(folder, "one", "0.1")
    daemon = start(folder, MODEL_NAME="price", WORKERS="2")
    for _ in range(4):
        assert daemon.post("price").status_code == 200
    assert HERE in facts(daemon)["warning"]
    assert daemon.text().count(f"trained with other versions of packages: {HERE}") == 1
    assert "of-training-alone" not in daemon.text()


def test_strict_refuses_them_and_says_why(folder, start):
    write(folder, "one", "0.1")
    daemon = start(folder, MODEL_NAME="price", STRICT="1")
    response = daemon.post("price")
    assert response.status_code == 503
    assert HERE in response.json()["payload"]["error"]
    assert "STRICT=1" in facts(daemon)["reason"]


def test_strict_keeps_the_model_that_it_has(folder, start):
    write(folder, "one", metadata.version("numpy"))
    daemon = start(folder, MODEL_NAME="price", STRICT="1")
    write(folder, "two", "0.1")
    daemon.wait_for(r"keeps the model that it has: .*other versions of packages")
    assert daemon.post("price", [[1]]).json()["payload"]["predictions"] == ["one"]
