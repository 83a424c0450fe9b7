"""What historical models import and how they are merged works unchanged; no container engine is needed to see that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import need
from without_engine import ALL, MODELS, TUTORIAL, Clone, Daemon, clone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Clone:
    """The monorepo, with a binary of each model, made by its own Makefiles."""
    for program in ("bash", "rsync"):  # of their scripts
        need(program)
    trained = clone(tmp_path_factory.mktemp("historical"))
    trained.train_all()
    return trained


@pytest.fixture(scope="module")
def of_all(trained: Clone) -> Iterator[Daemon]:
    with trained.serving(ALL, "models") as daemon:
        yield daemon


def predict(daemon: Daemon, folder: Path) -> bytes:
    """What a server answers to the sample of a model."""
    route = (folder / ".s2i" / "environment").read_text().removeprefix("ROUTES=").partition(":")[0]
    rows = json.loads((folder / "test" / "test_instances.json").read_text())["payload"]["instances"]
    answer = daemon.post(route, rows)
    assert answer.status_code == 200, f"{answer.text}\n{daemon.text()}"
    assert len(answer.json()["payload"]["predictions"]) == len(rows)
    return answer.content


@pytest.mark.parametrize("model", MODELS)
def test_one_server_answers_for_every_model(trained, of_all, model):
    predict(of_all, trained.path / model)


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=pytest.mark.slow if "lending" in model else ()) for model in MODELS]
)
def test_it_answers_as_the_server_of_that_model_alone(trained, of_all, model):
    folder = trained.path / model
    with trained.serving(f"{MODELS[model]}-predict", f"{folder.parent.name}/models") as alone:
        assert predict(of_all, folder) == predict(alone, folder)


def test_a_model_at_the_top_of_its_sources_trains_with_the_first_request(trained):
    with trained.serving(TUTORIAL, "tutorial") as daemon:
        answer = daemon.post("flower_svc/predict", [[1.5, 0.3], [6.1, 2.4]])

    assert answer.json() == {"payload": {"predictions": ["setosa", "virginica"]}}
