"""A train script that compares and registers by itself, with a real MLflow store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from common_utils.registering import auto_compare_and_register, data_and_model_prep, get_combination
from trainyard.errors import TrainyardError

if TYPE_CHECKING:  # it takes seconds to import, in each worker
    from mlflow import MlflowClient

pytestmark = pytest.mark.slow


def flavor() -> ModuleType:
    """That of scikit-learn, but MLflow starts no process for each model, to find out what it imports."""
    import mlflow

    found = ModuleType("flavor")
    found.log_model = partial(mlflow.sklearn.log_model, pip_requirements=["scikit-learn"])  # type: ignore[attr-defined]
    return found


def model() -> object:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("hand-made", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment("hand-made")
    yield mlflow.MlflowClient()


def register(client: MlflowClient, value: float, name: str, *, lower: bool = False, min_delta: float = 0.0) -> bool:
    import mlflow

    with mlflow.start_run():
        return auto_compare_and_register(model(), value, name, lower, "mAP", client, flavor(), min_delta).promoted


def champion(client: MlflowClient, name: str) -> int:
    return int(client.get_model_version_by_alias(name, "champion").version)


def test_a_version_becomes_the_champion_only_if_it_is_better(client: MlflowClient) -> None:
    import mlflow

    assert register(client, 0.5, "cars")
    assert not register(client, 0.5, "cars")
    assert not register(client, 0.55, "cars", min_delta=0.1)
    assert register(client, 0.7, "cars", min_delta=0.1)
    assert not register(client, float("nan"), "cars")
    champion = client.get_model_version_by_alias("cars", "champion")
    assert int(champion.version) == 4
    assert champion.tags["reason"] == "mAP 0.7 against the champion's 0.5: better by 0.2, more than 0.1"
    assert client.get_model_version("cars", "2").tags["reason"].endswith("a tie leaves the champion")
    assert mlflow.sklearn.load_model("models:/cars@champion").predict([[5]]) == [1]


def test_lower_may_be_better(client: MlflowClient) -> None:
    assert register(client, 0.5, "prices", lower=True)
    assert register(client, 0.4, "prices", lower=True)
    assert not register(client, 0.45, "prices", lower=True)


def test_runs_may_be_nested(client: MlflowClient) -> None:
    """As docs/experiments.md shows: each combination a nested run, the best of them registered by the parent."""
    import mlflow

    with mlflow.start_run(run_name="parent") as parent:
        values = {}
        for alpha in (0.1, 0.3, 0.2):
            with mlflow.start_run(run_name=f"alpha {alpha}", nested=True):
                mlflow.log_param("alpha", alpha)
                values[alpha] = 1 - (alpha - 0.3) ** 2
                mlflow.log_metric("mAP", values[alpha])
        best = max(values, key=values.__getitem__)
        made = auto_compare_and_register(model(), values[best], "nested", False, "mAP", mlflow_model=flavor())
        assert made.promoted
    assert best == 0.3
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["params.alpha"]
    )
    assert [run.data.params["alpha"] for run in children] == ["0.1", "0.2", "0.3"]


def test_the_historical_call_as_it_was(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every argument by its name, ``mlflow.models`` for a flavor, numbers of numpy, and no run that was begun."""
    import mlflow
    import numpy as np

    monkeypatch.setattr(mlflow.sklearn, "log_model", flavor().log_model)
    try:
        for value in (0.5, 0.4, 0.6):
            auto_compare_and_register(
                model=model(), eval_metric=np.float32(value), model_name="historical", lower=False, p_metric="mAP",
                client=mlflow.tracking.MlflowClient(), mlflow_model=mlflow.models,
            )  # fmt: skip
            mlflow.log_param(f"after {value}", "its run is active")
            mlflow.end_run()
    finally:
        mlflow.end_run()
    assert champion(client, "historical") == 3
    assert client.get_model_version("historical", "3").tags["trainyard.previous_champion"] == "1"


def test_the_model_that_is_trained_has_one_name(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINYARD_REGISTERED_AS", "shop.cars_v2")
    assert register(client, 0.5, "cars_v2")
    assert champion(client, "shop.cars_v2") == 1
    assert register(client, 0.5, "another"), "which keeps its name"
    assert champion(client, "another") == 1


def test_combinations() -> None:
    assert get_combination([1, 2], "ab") == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
    assert get_combination([1], [2], [3]) == [(1, 2, 3)]


def test_a_dataset_is_fetched_from_dvc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    repository, store, work = tmp_path / "data.git", tmp_path / "store", tmp_path / "work"
    (repository / "images").mkdir(parents=True)
    (repository / "images" / "one.txt").write_text("1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # where dvc is
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@here"]
    for argv in (
        [*git, "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "remote", "add", "-d", "store", str(store)],
        ["dvc", "add", "--quiet", "images"], ["dvc", "push", "--quiet"], [*git, "add", "--all"],
        [*git, "commit", "--quiet", "-m", "data"],
    ):  # fmt: skip
        subprocess.run(argv, cwd=repository, check=True)
    work.mkdir()
    monkeypatch.chdir(work)
    data_and_model_prep(repo_url=str(repository), ds_origin="dvc_repo")
    assert (work / "new_dataset" / "one.txt").read_text() == "1"
    for options, expected in (
        ({"repo_url": "https://me:hunter2@127.0.0.1:9/x.git", "ds_origin": "dvc_repo"}, "git clone failed"),
        ({"repo_url": "x", "ds_origin": "dvc_repo"}, "ends in .git"),
        ({"ds_origin": "ftp"}, '"http" or "dvc_repo"'),
        ({}, "data_uri.json: not an object of addresses"),
    ):
        with pytest.raises(TrainyardError, match=re.escape(expected)) as caught:
            data_and_model_prep(**options)
        assert "hunter2" not in f"{caught.value} {capfd.readouterr()}"


def test_scripts_fetch_by_the_addresses_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data_uri.json").write_text('{"model": "http://m", "dataset": "http://d"}')
    with pytest.raises(TrainyardError, match="no such script"):
        data_and_model_prep()
    Path("model-downloader.sh").write_text("printf %s $MODEL_URI > version/from")
    Path("dataset-extractor.sh").write_text("printf %s $DATASET_URI > $DST_DIR/from")
    data_and_model_prep("here")
    assert (Path("version/from").read_text(), Path("here/from").read_text()) == ("http://m", "http://d")
    Path("dataset-extractor.sh").write_text("exit 3")
    with pytest.raises(TrainyardError, match="failed with status 3"):
        data_and_model_prep()
