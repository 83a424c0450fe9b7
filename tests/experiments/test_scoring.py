"""Two versions of one model are scored on the same rows by the same code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from monorepo import Model, Monorepo

from trainyard.host.engines.base import Mount
from trainyard.host.experiments.origin import Origin
from trainyard.host.experiments.registry.version_scores import Score, score_versions
from trainyard.host.experiments.training import Training
from trainyard.host.operations.session import open_session
from trainyard.host.support.reporter import SILENT

pytestmark = pytest.mark.slow

EVALUATE = '''

def evaluate(msg):
    """How far from 2; fails for a model of x = 9, kills the process for one of x = 8."""
    payload = msg["payload"]
    rows = pathlib.Path(payload["$ref"]).read_text().splitlines()
    x = pickle.loads(pathlib.Path(f"models/{payload['model_name']}.pkl").read_bytes())["factor"]
    if x == 9:
        raise ValueError("nine\\nlines")
    if x == 8:
        os._exit(7)
    return {"loss": abs(x - 2), "nan": float("nan"), "rows": len(rows)}
'''


def version(repo: Monorepo, model: Model, folder: Path, x: float) -> Path:
    repo.make(model, "train", "PAYLOAD=" + json.dumps({"params": {"x": x}})).succeeded()
    files = folder / f"x-{x}"
    files.mkdir(parents=True)
    for path in (model.binary, model.record):
        shutil.copy(path, files)
    return files


def scores(repo: Monorepo, model: Model, folder: Path, versions: dict[str, Path]) -> dict[str, Score]:
    run = folder / "runs" / "1-m-abc"
    run.mkdir(parents=True, exist_ok=True)
    session = open_session(repo.path, SILENT)
    found = session.repository.model(model.path)
    payload = {"$ref": "data/numbers.csv", "model_name": model.name}
    mounts = (Mount("datasets", found.project / "data"), Mount("models", found.project / "models"))
    training = Training(found, Origin(found.image("train")), payload, mounts)
    return score_versions(training, session.local().engine.runner, run, versions, SILENT)


def test_versions_are_scored_by_the_models_own_code(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    with (model.path / "train.py").open("a") as file:
        file.write(EVALUATE)
    versions = {f"version {x}": version(repo, model, tmp_path, x) for x in (1.0, 4.0)}
    before = model.binary.read_bytes()
    found = scores(repo, model, tmp_path, versions)
    assert {label: score.metrics["loss"] for label, score in found.items()} == {"version 1.0": 1, "version 4.0": 2}
    assert all(score.metrics["rows"] == 3 and score.metrics["nan"] != score.metrics["nan"] for score in found.values())
    assert model.binary.read_bytes() == before
    assert not (tmp_path / "runs" / "1-m-abc" / "scored").exists()


def test_one_that_cannot_be_scored_does_not_keep_the_others_from_it(
    repo: Monorepo, model: Model, tmp_path: Path
) -> None:
    with (model.path / "train.py").open("a") as file:
        file.write(EVALUATE)
    found = scores(repo, model, tmp_path, {f"{x}": version(repo, model, tmp_path, x) for x in (1.0, 9.0)})
    assert found["1.0"].metrics["loss"] == 1
    assert found["9.0"] == Score({}, "ValueError: nine lines")


@pytest.mark.parametrize(("text", "reason"), [(EVALUATE, "status 7"), ("", "has no function evaluate(msg)")])
def test_a_scoring_that_ends_without_an_answer_says_why(
    repo: Monorepo, model: Model, tmp_path: Path, text: str, reason: str
) -> None:
    with (model.path / "train.py").open("a") as file:
        file.write(text)
    found = scores(repo, model, tmp_path, {"champion": version(repo, model, tmp_path, 8.0)})
    assert reason in found["champion"].problem
