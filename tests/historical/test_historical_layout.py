"""A third-party monorepo in the historical layout works unchanged, on our images and with bin/ first on PATH."""

from __future__ import annotations

import json
import os

import pytest
from images import config, docker, inside
from needs import need
from shopping import IMAGES, MODELS, OWNER, Alone, Shopping, answer

# The made-up prices are 10 * area + rooms; the median of price / area is 10.45.
EXPECTED = {"linear": [21, 52], "nearest": [21, 52], "middle": [10.45 * 2, 10.45 * 5]}


@pytest.mark.parametrize("model", MODELS)
def test_training_writes_a_binary_that_belongs_to_the_owner_of_models(trained: Shopping, model):
    binary = trained.binary(model)

    assert binary.stat().st_size > 0
    assert binary.stat().st_uid == (OWNER if os.getuid() == 0 else os.getuid())
    assert sorted(path.name for path in binary.parent.glob(".*")) == [".gitkeep"]


def test_build_script_leaves_no_context(trained: Shopping):
    assert not (trained.path / "build-context").exists()
    assert inside(f"{IMAGES}-linear-train", "ls /usr/local/lib/shopping").strip() == "native"


@pytest.mark.parametrize("model", MODELS)
def test_served_model_answers(alone: dict[str, Alone], model):
    served = alone[model]

    assert json.loads(served.answer) == {"payload": {"predictions": EXPECTED[model], "model": f"price_{model}"}}
    assert served.tested.status == 0
    assert '"predictions"' in served.tested.output
    assert docker("ps", "--quiet", "--filter", f"ancestor={IMAGES}-{model}-predict") == ""


def test_models_with_the_same_requirements_are_built_on_the_same_image(alone: dict[str, Alone]):
    below = {
        config(f"{IMAGES}-{model}-predict")["Labels"]["io.openshift.s2i.build.image"] for model in ("middle", "nearest")
    }
    assert len(below) == 1
    assert "trainyard/deps:" in below.pop()


def test_all_models_in_one_container_answer_as_each_does_alone(trained: Shopping, alone: dict[str, Alone]):
    need("rsync")  # their Makefile's
    with trained.serving("all", "predict-all"):
        answers = {model: answer(model) for model in MODELS}
        tested = trained.make("all", "test-all")

    wiring = (trained.path / "all" / ".s2i" / "environment").read_text()
    assert wiring.startswith("ROUTES=price_linear/predict:shopping.all.predict:predict_price_linear,price_nearest/")
    # Without a MODElNAME each module falls back on its own.
    assert answers == {model: alone[model].answer for model in MODELS}
    assert tested.output.count('"predictions"') == len(MODELS)


def test_train_all(trained: Shopping):
    """Their loop hides failures, so the binaries are what counts."""
    for model in MODELS:
        trained.binary(model).unlink()

    done = trained.finish(trained.terminal("all", "train-all"))

    assert done.status == 0, done.output
    assert all(trained.binary(model).is_file() for model in MODELS), done.output
