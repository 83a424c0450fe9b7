"""A third-party monorepo in the historical layout works unchanged, on our images and with bin/ first on PATH."""

from __future__ import annotations

import os

import pytest
from images import docker, exists, inside
from needs import need
from shopping import IMAGES, MODELS, OWNER, Shopping, answer

EXPECTED = {"linear": [21, 52], "nearest": [21, 52]}  # the made-up prices are 10 * area + rooms


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
def test_served_model_answers(trained: Shopping, port_5111, model):
    built = trained.make(model, "build-predict")
    assert exists(f"{IMAGES}-{model}-predict"), built.output

    with trained.serving(model, "predict"):
        answered = answer(model)
        tested = trained.make(model, "test-endpoint")

    assert answered == {"predictions": EXPECTED[model], "model": f"price_{model}"}
    assert tested.status == 0
    assert '"predictions"' in tested.output
    assert docker("ps", "--quiet", "--filter", f"ancestor={IMAGES}-{model}-predict") == ""


def test_all_models_in_one_container(trained: Shopping, port_5111):
    need("rsync")  # their Makefile's
    with trained.serving("all", "predict-all"):
        answers = {model: answer(model) for model in MODELS}
        tested = trained.make("all", "test-all")

    wiring = (trained.path / "all" / ".s2i" / "environment").read_text()
    assert wiring.startswith("ROUTES=price_linear/predict:shopping.all.predict:predict_price_linear,price_nearest/")
    # Without a MODElNAME each module falls back on its own.
    assert answers == {model: {"predictions": EXPECTED[model], "model": f"price_{model}"} for model in MODELS}
    assert tested.output.count('"predictions"') == len(MODELS)


def test_train_all(trained: Shopping):
    """Their loop hides failures, so the binaries are what counts."""
    for model in MODELS:
        trained.binary(model).unlink()

    done = trained.finish(trained.terminal("all", "train-all"))

    assert done.status == 0, done.output
    assert all(trained.binary(model).is_file() for model in MODELS), done.output
