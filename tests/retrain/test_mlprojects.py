"""Repositories that were prepared for the older retrain service, run by MLflow Projects, with a real MLflow server."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from experiments.tracking import Tracking

from retrain.projects import PLAIN, champion, job_of, limits, tracked, tracker_at, write_project
from trainyard.errors import TrainyardError
from trainyard.host.operations.session import open_session
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.job import ProjectJob, ProjectRun
from trainyard.host.retrain.mlprojects.retraining import retrain_project
from trainyard.host.retrain.mlprojects.running import run_project
from trainyard.host.support.reporter import Recording
from trainyard.settings.experiments import ExperimentSettings

pytestmark = pytest.mark.slow  # an MLflow server, and several of its clients


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with tracked(tmp_path_factory.mktemp("tracker") / "repo") as server:
        yield server


def run(server: Tracking, tmp_path: Path, job: ProjectJob, reporter: Recording | None = None) -> ProjectRun:
    return run_project(job, tracker_at(server), limits(), tmp_path / "state", reporter or Recording())


@pytest.mark.nightly
def test_a_prepared_repository_works_unchanged(server: Tracking, tmp_path: Path) -> None:
    """Without the helper package: ours takes its place. The better model becomes the champion, the worse does not."""
    folder, reporter = write_project(tmp_path / "repo", "cars"), Recording()
    first = run(server, tmp_path, job_of(folder, params={"quality": 0.5}), reporter)
    assert (first.status, first.version, first.promoted) == ("finished", "cars/1", True)
    assert first.metrics["mAP"] == 0.5
    lines = reporter.noted("line")
    assert any("mlproject_helper" not in line and line.endswith("helper/mypackage/utility.py") for line in lines), lines
    worse = run(server, tmp_path, job_of(folder, params={"quality": 0.4}))
    assert (worse.version, worse.promoted) == ("cars/2", False)
    assert "worse by" in worse.reason
    better = run(server, tmp_path, job_of(folder, params={"quality": 0.6}, base_model=first.run))
    assert (better.version, better.promoted) == ("cars/3", True)
    assert champion(server.client, "cars") == 3
    found = server.client.get_run(better.run)
    assert found.data.params["base_model"] == first.run
    assert found.data.params["quality"] == "0.6"
    assert found.data.tags["mlflow.project.entryPoint"] == "main"
    assert not (tmp_path / "state" / "mlprojects" / "job").exists()


@pytest.mark.nightly
def test_a_copy_of_the_helper_package_works_as_it_is(server: Tracking, tmp_path: Path) -> None:
    """It has no __init__.py and no prep_utils, registers only what is not worse, and knows no champions."""
    folder, reporter = write_project(tmp_path / "repo", "copied", own_copy=True), Recording()
    first = run(server, tmp_path, job_of(folder, params={"quality": 0.5}), reporter)
    assert any(line.endswith("code/mypackage/utility.py") for line in reporter.noted("line"))
    assert (first.version, first.promoted, first.reason) == ("copied/1", True, "it is the first version")
    worse = run(server, tmp_path, job_of(folder, params={"quality": 0.4}))
    assert (worse.version, worse.promoted) == ("", None)
    better = run(server, tmp_path, job_of(folder, params={"quality": 0.6}))
    assert (better.version, better.promoted) == ("copied/2", True)
    assert champion(server.client, "copied") == 2
    version = server.client.get_model_version("copied", "2")
    assert version.tags["reason"] == better.reason == "mAP 0.6 against the champion's 0.5: better by 0.1"


def test_values_are_no_commands(server: Tracking, tmp_path: Path) -> None:
    folder, reporter = write_project(tmp_path / "repo", "quoted"), Recording()
    evil = f"x; touch {tmp_path}/one $(touch {tmp_path}/two) `touch {tmp_path}/three` ' \" | touch {tmp_path}/four"
    job = job_of(folder, params={"model_name": "quoted", "primary_metric": "mAP"}, experiment_name=evil)
    run(server, tmp_path, replace(job, experiment="quoted"), reporter)
    (line,) = (line for line in reporter.noted("line") if line.startswith("arguments are"))
    assert repr(evil) in line
    assert {path.name for path in tmp_path.iterdir()} == {"repo", "state"}


def test_without_an_image_it_needs_to_be_allowed(server: Tracking, tmp_path: Path) -> None:
    job = job_of(write_project(tmp_path / "repo", "unconfined"))
    with pytest.raises(TrainyardError, match=r"has no docker_env.*RETRAIN_UNCONFINED=1"):
        run_project(job, tracker_at(server), limits(unconfined=False), tmp_path / "state", Recording())
    assert not server.runs("unconfined")


def test_a_script_that_fails_says_why(server: Tracking, tmp_path: Path) -> None:
    folder, runs = write_project(tmp_path / "repo", "failing", train="raise ValueError('no such column: age')"), []
    with pytest.raises(TrainyardError, match="ValueError: no such column: age"):
        run_project(
            job_of(folder), tracker_at(server), limits(), tmp_path / "state", Recording(), on_run=runs.append
        )  # fmt: skip
    assert server.client.get_run(runs[0]).info.status == "FAILED"


def test_a_project_that_takes_too_long_is_ended(server: Tracking, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "repo", "slow", train="import time\nprint('begun')\ntime.sleep(600)")
    runs: list[str] = []
    with pytest.raises(TrainyardError, match="longer than 8 s and was stopped: set RETRAIN_TIMEOUT"):
        run_project(
            job_of(folder), tracker_at(server), limits(seconds=8), tmp_path / "state", Recording(), on_run=runs.append
        )
    assert server.client.get_run(runs[0]).info.status == "FAILED"


def test_a_project_with_an_environment_of_its_own(server: Tracking, tmp_path: Path) -> None:
    """python_env: made by uv, for this run."""
    folder = write_project(tmp_path / "repo", "own", environment="python_env: env.yaml", flavor=PLAIN)
    wanted = f"mlflow-skinny=={metadata.version('mlflow-skinny')}"
    (folder / "env.yaml").write_text(f'python: "{platform.python_version()}"\ndependencies:\n  - {wanted}\n')
    with (folder / "train.py").open("a") as script:
        script.write("print('of', sys.prefix)\n")
    reporter = Recording()
    found = run(server, tmp_path, job_of(folder), reporter)
    assert (found.version, found.promoted) == ("own/1", True), reporter.noted()
    assert any("/home/.mlflow/envs/" in line for line in reporter.noted("line")), reporter.noted("line")


def test_a_request_from_its_words_to_the_verdict(server: Tracking, tmp_path: Path) -> None:
    """As a job of the service calls it: the base model is a version of the registry, and the project gets its run."""
    folder = write_project(tmp_path / "repo", "asked")
    session = replace(
        open_session(server.repo.path, Recording()),
        given=ExperimentSettings(tracking_uri=server.url, tracking_timeout=60),
    )
    body = {"git_uri": "https://here/x.git", "experiment_name": "income", "params": {"quality": 0.5}}
    runs: list[str] = []
    first = retrain_project(session, folder, request(body), "one", limits(), on_run=runs.append)
    assert (runs, first.version, first.experiment) == ([first.run], "asked/1", "income")
    body |= {"base_model": "asked/champion", "params": {"quality": 0.6}}
    second = retrain_project(
        session, folder, request(body), "two", limits(), tags={"mlflow.source.git.commit": "c0ffee"}
    )
    assert second.promoted
    found = server.client.get_run(second.run).data
    assert found.params["base_model"] == first.run
    assert (found.tags["base_model"], found.tags["mlflow.source.git.commit"]) == ("asked/champion", "c0ffee")
    with pytest.raises(TrainyardError, match="asked has no such version"):
        retrain_project(session, folder, request({**body, "base_model": "asked/9"}), "three", limits())


def request(body: dict[str, object]) -> RetrainRequest:
    return RetrainRequest.model_validate(body)


SEARCH = """
import functools
import types

import mlflow
from mypackage.utility import auto_compare_and_register, get_combination
from sklearn.dummy import DummyClassifier

mlflow.start_run(run_name="parent")
flavor = types.SimpleNamespace(
    log_model=functools.partial(mlflow.sklearn.log_model, pip_requirements=["scikit-learn"])
)
for i, param in enumerate(get_combination([0.43, 0.82], [0.79, 0.49])):
    mlflow.start_run(run_name=f"child{i}", nested=True)
    mlflow.log_param("alpha", param[0])
    auto_compare_and_register(
        model=DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1]), eval_metric=param[0] * param[1],
        model_name="searched", lower=False, p_metric="mAP", client=mlflow.tracking.MlflowClient(), mlflow_model=flavor,
    )
    mlflow.end_run()
"""


@pytest.mark.nightly
def test_a_search_in_nested_runs(server: Tracking, tmp_path: Path) -> None:
    """Each combination a run of its own, as the instructions have it; the best of their versions is the champion."""
    folder = write_project(tmp_path / "repo", "searched", train=SEARCH)
    reporter = Recording()
    found = run(server, tmp_path, job_of(folder, experiment_name="search"), reporter)
    assert (found.version, found.promoted) == ("searched/3", True), reporter.noted()  # 0.82 * 0.79
    assert champion(server.client, "searched") == 3
    assert len(server.runs("search")) == 5
