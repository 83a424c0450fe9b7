"""A train script that compares and registers by itself, with a real MLflow store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.dummy import DummyClassifier

from common_utils.registering import auto_compare_and_register

# Without this MLflow starts a process for each model, to find out what it imports.
FLAVOR = ModuleType("flavor")
FLAVOR.log_model = partial(mlflow.sklearn.log_model, pip_requirements=["scikit-learn"])  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    folder = tmp_path_factory.mktemp("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("hand-made", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment("hand-made")
    yield MlflowClient()


def register(client: MlflowClient, value: float, name: str, *, lower: bool = False, min_delta: float = 0.0) -> bool:
    model = DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])
    with mlflow.start_run():
        return auto_compare_and_register(model, value, name, lower, "mAP", client, FLAVOR, min_delta).promoted


def test_a_version_becomes_the_champion_only_if_it_is_better(client: MlflowClient) -> None:
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
    with mlflow.start_run(run_name="parent") as parent:
        values = {}
        for alpha in (0.1, 0.3, 0.2):
            with mlflow.start_run(run_name=f"alpha {alpha}", nested=True):
                mlflow.log_param("alpha", alpha)
                values[alpha] = 1 - (alpha - 0.3) ** 2
                mlflow.log_metric("mAP", values[alpha])
        best = max(values, key=values.__getitem__)
        model = DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])
        assert auto_compare_and_register(model, values[best], "nested", False, "mAP", mlflow_model=FLAVOR).promoted
    assert best == 0.3
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["params.alpha"]
    )
    assert [run.data.params["alpha"] for run in children] == ["0.1", "0.2", "0.3"]


def test_without_a_run_it_says_so(client: MlflowClient) -> None:
    with pytest.raises(MlflowException, match="no run is active"):
        auto_compare_and_register(None, 1.0, "nothing", False, "mAP", client)
    assert not [model for model in client.search_registered_models() if model.name == "nothing"]
