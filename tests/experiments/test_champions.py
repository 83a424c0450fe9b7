"""Which version is the champion: after a training, by hand, and of a server that follows it. A real MLflow server."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monorepo import Model, Monorepo, ask
from waiting import until

from experiments.tracking import WAIT, Tracking, tracking

pytestmark = pytest.mark.slow  # the server takes its time to start

EVALUATE = """

def evaluate(msg):
    payload = msg["payload"]
    x = pickle.loads(pathlib.Path(f"models/{payload['model_name']}.pkl").read_bytes())["factor"]
    if x == 9:
        raise ValueError("nine")
    return {"loss": (x - 2) ** 2, "recall": 1 - x / 10}
"""
OF_FILES = """
import json
import os


def train(msg):
    name, x = msg["payload"]["model_name"], msg["payload"]["params"]["x"]
    os.makedirs(f"models/{name}_weights", exist_ok=True)
    with open(f"models/{name}_weights/deep.txt", "w") as file:
        file.write(str(x))
    with open(f"models/{name}_labels.json", "w") as file:
        file.write('["low", "high"]')
    with open(f"models/{name}.json", "w") as file:
        json.dump({"metrics": {"loss": (x - 2) ** 2}}, file)
"""
CONFIG = "promotion: {metric: loss, min_delta: 0.001}\nguards: {recall: 0.5}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with tracking(tmp_path_factory.mktemp("repo")) as found:
        yield found


@pytest.fixture(scope="module")
def repo(server: Tracking) -> Iterator[Monorepo]:
    """All that is made here waits for a server that is busy."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAIT.items():
            patch.setenv(name, value)
        yield server.repo


@pytest.fixture
def contender(model: Model) -> Model:
    """A model with an evaluate function and a rule."""
    with (model.path / "train.py").open("a") as file:
        file.write(EVALUATE)
    (model.path / "config.yaml").write_text(CONFIG)
    return model


def train(repo: Monorepo, model: Model, *arguments: str, **params: object) -> dict[str, Any]:
    """The run of a training."""
    repo.make(model, "train", "PAYLOAD=" + json.dumps({"params": {"steps": 1, **params}}), *arguments).succeeded()
    folder = max((model.path.parent / "runs").iterdir())
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def tags_of_latest(model: Model) -> dict[str, str]:
    folder = max((model.path.parent / "runs").iterdir())
    tags: dict[str, str] = json.loads((folder / "run.json").read_text())["tags"]
    return tags


def files_of_champion(server: Tracking, model: Model) -> set[str]:
    found = server.client.get_model_version_by_alias(f"{model.project}.{model.name}", "champion")
    listed = server.client.list_artifacts(found.run_id, "model")
    return {one.path.removeprefix("model/") for one in listed}


def champion(server: Tracking, model: Model) -> tuple[int, float]:
    """The champion's number, and its x."""
    client = server.client
    found = client.get_model_version_by_alias(f"{model.project}.{model.name}", "champion")
    return int(found.version), float(client.get_run(found.run_id).data.params["x"])


def test_only_a_better_one_becomes_the_champion(repo: Monorepo, contender: Model, server: Tracking) -> None:
    first = train(repo, contender, x=1.0)
    assert first["tags"]["reason"] == "it is the first version"
    assert champion(server, contender) == (1, 1.0)
    better = train(repo, contender, x=1.5)["tags"]
    assert "; 2 were there" in repo.make(None, "track-sync").succeeded().err, "nothing is left to upload"
    assert (better["promoted"], better["reason"]) == (
        "true", "loss 0.25 against the champion's 1: better by 0.75, more than 0.001",
    )  # fmt: skip
    worse = train(repo, contender, x=1.2)["tags"]
    assert (worse["version"], worse["promoted"]) == ("3", "false")
    assert "worse by 0.39" in worse["reason"]
    assert "a tie leaves the champion" in train(repo, contender, x=1.5)["tags"]["reason"]
    nan = train(repo, contender, x=1.9, nan=True)["tags"]  # what it says of itself; scored it is better
    assert nan["promoted"] == "true"
    assert champion(server, contender) == (5, 1.9)
    name = f"{contender.project}.{contender.name}"
    assert server.client.get_model_version(name, "3").tags["reason"] == worse["reason"]
    assert (
        server.client.get_run(server.client.get_model_version(name, "3").run_id).data.tags["reason"] == worse["reason"]
    )


@pytest.mark.nightly
def test_a_guarded_metric_keeps_a_better_one_out(repo: Monorepo, contender: Model, server: Tracking) -> None:
    train(repo, contender, x=-4.0)
    tags = train(repo, contender, x=2.0)["tags"]
    assert tags["promoted"] == "false"
    assert tags["reason"] == "the guarded recall 0.8 is worse than the champion's 1.4 by 0.6, more than 0.5"


def test_one_that_cannot_be_scored_is_not_promoted(repo: Monorepo, contender: Model, server: Tracking) -> None:
    train(repo, contender, x=1.0)
    assert train(repo, contender, x=9.0)["tags"]["reason"] == "it could not be scored: ValueError: nine"
    assert champion(server, contender) == (1, 1.0)


@pytest.mark.nightly
def test_nan_never_promotes_not_even_the_first(repo: Monorepo, contender: Model, server: Tracking) -> None:
    tags = train(repo, contender, nan=True)["tags"]
    assert (tags["promoted"], tags["reason"]) == ("false", "its loss is nan")
    assert not server.client.get_registered_model(f"{contender.project}.{contender.name}").aliases


def test_without_an_evaluate_function_the_records_are_compared(repo: Monorepo, model: Model, server: Tracking) -> None:
    (model.path / "config.yaml").write_text(CONFIG.splitlines()[0])
    train(repo, model, x=1.0)
    assert train(repo, model, x=1.5)["tags"]["promoted"] == "true"
    payload = json.dumps({"measure_on": "validation", "params": {"x": 1.9, "steps": 1}})
    other = train(repo, model, f"PAYLOAD={payload}")["tags"]
    assert other["promoted"] == "false"
    assert "measured on the validation part, the champion on the test part" in other["reason"]
    data = model.path.parent / "data" / "numbers.csv"
    data.write_text(data.read_text() + "5,6\n")
    other = train(repo, model, x=1.9)["tags"]
    assert other["promoted"] == "false"
    assert "another dataset" in other["reason"]


@pytest.mark.nightly
def test_a_dataset_that_is_a_folder_is_the_same_as_long_as_its_files_are(repo: Monorepo, model: Model) -> None:
    (model.path / "config.yaml").write_text(CONFIG.splitlines()[0])
    parts = model.path.parent / "data" / "parts"
    parts.mkdir()
    (parts / "part-1.csv").write_text("a,b\n1,2\n")
    for x in (1.0, 1.5):
        assert train(repo, model, "DATASET_NAME=data/parts", x=x)["tags"]["promoted"] == "true"
    (parts / "part-2.csv").write_text("a,b\n3,4\n")
    assert "another dataset" in train(repo, model, "DATASET_NAME=data/parts", x=1.9)["tags"]["reason"]


def test_promote_and_rollback_by_hand(repo: Monorepo, contender: Model, server: Tracking) -> None:
    for x in (1.0, 1.5):
        train(repo, contender, x=x)
    repo.make(contender, "rollback").succeeded()
    assert champion(server, contender) == (1, 1.0)
    version = server.client.get_model_version(f"{contender.project}.{contender.name}", "2")
    for tags in (version.tags, server.client.get_run(version.run_id).data.tags, tags_of_latest(contender)):
        assert tags.get("promoted") is None
        assert tags["reason"] == "version 1 was made the champion again"
    repo.make(contender, "rollback").failed("version 1 of", "has no champion before it")
    assert "would be promoted: loss 0.25 against" in repo.make(contender, "-n", "promote").succeeded().out
    assert champion(server, contender) == (1, 1.0)
    assert "better by 0.75" in repo.make(contender, "promote").succeeded().err
    assert champion(server, contender) == (2, 1.5)
    assert tags_of_latest(contender)["promoted"] == "true"
    assert "would not be promoted: loss 1" in repo.make(contender, "-n", "promote", "VERSION=1").succeeded().out
    assert "is the champion already" in repo.make(contender, "-n", "promote").succeeded().out
    repo.make(contender, "promote", "VERSION=1").failed("version 1 of", "worse by 0.75", "FORCE=1")
    assert champion(server, contender) == (2, 1.5)
    repo.make(contender, "promote", "VERSION=1", "FORCE=1").succeeded()
    assert champion(server, contender) == (1, 1.0)
    repo.make(contender, "promote", "VERSION=7").failed("VERSION=7", "there are 2, 1 (champion)")
    repo.make(contender, "promote", "ID=nothing").failed("no such run")


def test_a_model_of_files_without_a_pickle_is_promoted_and_taken_back(
    repo: Monorepo, model: Model, server: Tracking
) -> None:
    (model.path / "config.yaml").write_text(CONFIG.splitlines()[0])
    (model.path / "train.py").write_text(OF_FILES)
    for x in (1.0, 1.5):
        tags = train(repo, model, x=x)["tags"]
        assert tags["promoted"] == "true"
    assert {"weights", "labels.json"} <= {
        name.removeprefix(f"{model.name}_") for name in files_of_champion(server, model)
    }
    repo.make(model, "rollback").succeeded()
    assert champion(server, model) == (1, 1.0)
    shutil.rmtree(repo.path / ".trainyard/registry")  # what is compared now has to be downloaded
    assert "better by 0.75" in repo.make(model, "promote").succeeded().err
    assert champion(server, model) == (2, 1.5)
    (downloaded,) = (repo.path / ".trainyard/registry").glob(f"*{model.name}/2-*/{model.name}_weights/deep.txt")
    assert downloaded.read_text() == "1.5"


@pytest.mark.nightly
def test_a_champion_of_a_train_function_is_the_one_to_beat(repo: Monorepo, contender: Model, server: Tracking) -> None:
    """As auto_compare_and_register leaves it: without a record of ours."""
    train(repo, contender, x=1.0)
    name, client = f"{contender.project}.{contender.name}", server.client
    own = client.create_run(client.create_experiment(f"own-{name}"))
    client.log_metric(own.info.run_id, "loss", 0.1)
    version = client.create_model_version(name, f"runs:/{own.info.run_id}/model", own.info.run_id, await_creation_for=0)
    client.set_model_version_tag(name, version.version, "trainyard.previous_champion", "1")
    client.set_registered_model_alias(name, "champion", version.version)
    tags = train(repo, contender, x=1.5)["tags"]
    assert (tags["version"], tags["promoted"]) == ("3", "false")
    assert "loss 0.25 against the champion's 0.1: worse by 0.15" in tags["reason"]
    assert train(repo, contender, x=1.9)["tags"]["promoted"] == "true"
    assert champion(server, contender) == (4, 1.9)
    repo.make(contender, "rollback").succeeded()
    repo.make(contender, "rollback").succeeded()
    assert champion(server, contender) == (1, 1.0)


def test_a_training_that_dies_leaves_the_champion(repo: Monorepo, contender: Model, server: Tracking) -> None:
    train(repo, contender, x=1.0)
    repo.make(contender, "train", 'PAYLOAD={"params": {"x": 1.9, "crash": true}}')
    process = repo.spawn(contender, "train", 'PAYLOAD={"params": {"x": 1.9, "pause": 30}}')
    until(lambda: len(list((contender.path.parent / "runs").glob("*/metrics.jsonl"))) == 3)  # it trains
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert champion(server, contender) == (1, 1.0)
    assert len(server.client.search_model_versions(f"name = '{contender.project}.{contender.name}'")) == 1


def test_a_tuning_and_its_trials_are_nested_and_its_winner_contends(
    repo: Monorepo, contender: Model, server: Tracking
) -> None:
    (contender.path / "config.yaml").write_text(
        "params: {steps: 2}\npromotion: {metric: loss}\ntuning:\n  metric: loss\n  max_trials: 6\n  pruning: true\n"
        "  hyperparams:\n"
        "    x: {default_value: 2.0, tuning: {param_type: choice, values: [2.0, 2.1, 1.9, 2.2, 1.8, 4.0]}}\n"
    )
    contender.replace("train.py", "time.sleep(params", "time.sleep(60 if params['x'] == 4.0 else params")
    repo.make(contender, "tune", "WORKERS=1").succeeded()
    runs = server.runs(contender.project)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 7, "six trials and the final training"
    assert sorted(run.info.status for run in runs) == ["FINISHED"] * 7 + ["KILLED"]
    assert [run.data.tags["trial"] for run in children if run.info.status == "KILLED"] == ["5"], "the pruned one"
    assert parent.data.metrics["loss"] == min(run.data.metrics["loss"] for run in children)
    assert champion(server, contender)[0] == 1


def test_a_server_swaps_when_the_alias_moves(repo: Monorepo, contender: Model, server: Tracking) -> None:
    for x in (1.0, 1.5):
        train(repo, contender, x=x)
    contender.binary.write_bytes(b"what lies in models/ is not served")
    with repo.serving(contender, VERSION="champion", VERSION_POLL="1") as port:
        assert factor(port, contender) == 1.5
        repo.make(contender, "rollback").succeeded()
        until(lambda: factor(port, contender) == 1.0, 60, lambda: followed(repo, contender))
        assert "champion is version 1" in followed(repo, contender)
    with repo.serving(contender, VERSION="2") as port:
        assert factor(port, contender) == 1.5
    repo.make(contender, "predict", "VERSION=5").failed("VERSION=5", "there are 2, 1 (champion)")


def test_a_version_that_was_tampered_with_is_not_served(repo: Monorepo, contender: Model, server: Tracking) -> None:
    run = train(repo, contender, x=1.0)
    (stored,) = (repo.path / "mlruns").rglob(f"model/{contender.name}.pkl")
    stored.write_bytes(b"something else")
    repo.make(contender, "predict", "VERSION=champion").failed("version 1 of", "is not what was registered")
    assert run["tags"]["version"] == "1"


def factor(port: int, model: Model) -> float:
    status, text = ask(port, f"{model.name}/predict", b'{"payload": {"instances": [[1, 0]]}}')
    assert status == 200, text
    return float(json.loads(text)["payload"]["predictions"][0])


def followed(repo: Monorepo, model: Model) -> str:
    return Path(repo.path / ".trainyard" / "served" / f"{model.container}-predict.log").read_text()
