"""Jobs that train on a compute: whatever becomes of the service, a training is submitted once, and ended once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from experiments.conftest import TRAIN
from experiments.reproductions import commit, in_git
from experiments.tracking import Tracking
from monorepo import Monorepo
from needs import need
from waiting import until

from retrain.services import Service

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]
SLOW = {"x": 1.0, "steps": 40, "pause": 0.25}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the compute ``here``, which takes one job at a time."""
    need("docker")
    folder = tmp_path_factory.mktemp("computes")
    repo = in_git(Monorepo(folder / "repo", "docker"))
    for name in ("first", "second", "third"):
        model = repo.add_model(name, project=f"p{name}")
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    computes = {"here": {"kind": "local", "folder": str(folder / "far"), "limit": 1}}
    (repo.path / "compute.yaml").write_text(yaml.safe_dump(computes))
    commit(repo)
    tracking = Tracking(repo)
    tracking.start()
    service = Service(repo, tracking.url)
    service.start()
    yield service
    service.stop()
    tracking.stop()
    repo.make(None, "clean").succeeded()


def tasks(service: Service) -> list[Path]:
    return list((service.repo.path.parent / "far" / "tasks").glob("ty-*"))


def training(service: Service, **params: Any) -> str:
    """A job that trains on the compute now."""
    job = service.submit(model="pfirst/first", params={**SLOW, **params}, compute="here")
    until(lambda: any((task / "output").is_file() for task in tasks(service)), 180, lambda: service.jobs_log(job))
    return job


def check_one_run(service: Service, job: str) -> None:
    """It was trained once, on the compute, and nothing is left there."""
    found = service.succeeded(job)
    run = service.repo.path / "projects/pfirst/runs" / found["run"]
    facts, placed = (json.loads((run / name).read_text()) for name in ("run.json", "compute.json"))
    assert (found["compute"], facts["compute"], facts["status"]) == ("here", "here", "finished")
    assert placed["tries"] == 1
    assert "is on here already" in service.jobs_log(job)
    assert not tasks(service)


def test_a_process_that_is_killed_returns_to_its_training(service: Service) -> None:
    job = training(service)
    os.kill(service.process_of(job), signal.SIGKILL)
    check_one_run(service, job)


def test_a_service_that_is_stopped_leaves_the_training_running(service: Service) -> None:
    job = training(service)
    service.stop()
    assert tasks(service), "it goes on"
    service.start()
    check_one_run(service, job)
    assert service.job(job)["tries"] == 1


def test_a_job_that_is_cancelled_ends_its_training(service: Service) -> None:
    job = training(service)
    service.ask(f"/jobs/{job}/cancel", b"")
    assert service.over(job)["state"] == "cancelled"
    until(lambda: not tasks(service), 60, lambda: service.jobs_log(job))


def test_jobs_of_a_compute_that_is_full_wait_and_no_others(service: Service) -> None:
    first = training(service, steps=10_000)
    second = service.submit(model="psecond/second", params={"x": 1.0}, compute="here")
    third = service.submit(model="pthird/third", params={"x": 1.0})
    assert service.succeeded(third)["compute"] == ""
    assert service.job(second)["state"] == "waiting"
    assert service.job(first)["state"] == "running"
    service.ask(f"/jobs/{first}/cancel", b"")
    assert service.succeeded(second)["compute"] == "here"


def test_a_compute_that_there_is_not(service: Service) -> None:
    answer = service.ask("/retrain", {"model": "pfirst/first", "compute": "moon"})
    assert "no compute moon" in answer.problem(422)
