"""Jobs of the retrain service: from POST to a version, one after the other, cancelled, killed."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from experiments.reproductions import commit, git
from experiments.tracking import Tracking
from monorepo import Model
from waiting import until

from retrain.services import Service
from trainyard.host.support.processes import started_at

SLOW = {"steps": 100, "pause": 0.1}


def test_a_model_is_trained_again_and_becomes_the_champion(service: Service, first: Model) -> None:
    job = service.succeeded(service.submit(model="pfirst/first", params={"x": 1.5}, experiment_name="nightly"))
    assert job["commit"] == git(service.repo, "rev-parse", "HEAD")
    assert [step["name"] for step in job["steps"]] == ["fetch", "locate", "build", "train", "register"]
    assert all(step["ended"] >= step["started"] and not step["error"] for step in job["steps"])
    assert (job["promoted"], job["version"], job["metrics"]["loss"]) == (True, "pfirst.first/1", 0.25)
    assert service.repo.make(None, "run-show", f"ID={job['run']}").succeeded().out.count("nightly")
    log = service.jobs_log(job["id"])
    assert "trained by process" in log and "Version 1 of pfirst.first is the champion" in log
    worse = service.succeeded(service.submit(model="projects/pfirst/first", params={"x": 0.5}))
    assert worse["promoted"] is False and "worse" in worse["reason"]
    until(lambda: not service.left_behind(), shown=service.left_behind)


def test_an_older_commit_is_trained(service: Service, first: Model) -> None:
    """Whatever the work tree has."""
    old = git(service.repo, "rev-parse", "HEAD")
    text = (first.path / "train.py").read_text()
    (first.path / "train.py").write_text(text.replace('print("trained', 'print("newer, trained'))
    commit(service.repo)
    (first.path / "train.py").write_text("not committed")
    try:
        job = service.succeeded(service.submit(model="pfirst/first", commit_hash=old[:9]))
        assert job["commit"] == old
        assert "newer" not in service.jobs_log(job["id"])
        job = service.succeeded(service.submit(model="pfirst/first"))
        assert "newer, trained by process" in service.jobs_log(job["id"])
    finally:
        (first.path / "train.py").write_text(text)
        commit(service.repo)


def test_make_retrain_waits_and_shows_the_log(service: Service) -> None:
    url = f"RETRAIN_URL=http://127.0.0.1:{service.port}"
    made = service.repo.make(None, "retrain", "MODEL=psecond/second", "WAIT=1", url).succeeded()
    assert "trained by process" in made.err
    assert "Version psecond.second/1 is the champion" in made.err
    asked = ("retrain", "MODEL=psecond/second", "WAIT=1")
    service.repo.make(None, *asked, "COMMIT=none", url).failed("has failed", "none")
    service.repo.make(None, "retrain", url).failed("MODEL is not set", "make retrain MODEL=")
    service.repo.make(None, *asked, "RETRAIN_URL=http://127.0.0.1:9").failed("make retrain-service")


def test_one_job_of_a_model_at_a_time(service: Service) -> None:
    running = service.submit(model="pfirst/first", params=SLOW)
    waiting = service.submit(model="pfirst/first", params={"x": 1.0})
    other = service.submit(model="psecond/second")
    service.running(running)
    assert service.succeeded(other)["state"] == "succeeded"
    assert service.job(waiting)["state"] == "waiting"
    refused = service.ask("/retrain", {"model": "pfirst/first", "on_conflict": "refuse"})
    assert running in refused.problem(409) and refused.json["job"] == running
    instead = service.submit(model="projects/pfirst/first", params={"x": 1.25}, on_conflict="replace")
    for job in (running, waiting):
        assert service.over(job)["state"] == "cancelled"
    assert service.succeeded(instead)["metrics"]["loss"] == 0.5625


def test_cancelled_within_five_seconds(service: Service) -> None:
    job = service.submit(model="pfirst/first", params=SLOW)
    service.running(job)
    process = until(lambda: _trained_by(service, job), shown=lambda: service.jobs_log(job))
    asked = time.monotonic()
    assert service.ask(f"/jobs/{job}/cancel", b"").json["stopping"] == "cancelled"
    found = service.over(job)
    assert time.monotonic() - asked < 5
    assert (found["state"], found["reason"]) == ("cancelled", "cancelled")
    until(lambda: not started_at(int(process)))
    until(lambda: not service.left_behind(), shown=service.left_behind)
    assert "is over" in service.ask(f"/jobs/{job}/cancel", b"").problem(409)
    again = service.ask(f"/jobs/{job}/retry", b"").json
    assert again["retry_of"] == job and again["request"]["params"] == SLOW
    service.ask(f"/jobs/{again['id']}/cancel", b"")
    assert service.over(again["id"])["state"] == "cancelled"


def _trained_by(service: Service, job: str) -> str:
    """The process that looks after the training."""
    for folder in (service.folder(job) / "checkout/projects").glob("*/runs/*/run.json"):
        return str(json.loads(folder.read_text())["pid"])
    return ""


@pytest.mark.parametrize("what", ["a job that crashes", "a job without a model", "no commit"])
def test_what_fails_says_why(service: Service, what: str) -> None:
    body, step, reason = {
        "a job that crashes": ({"model": "pfirst/first", "params": {"crash": True}}, "train", "as asked"),
        "a job without a model": ({"model": "pfirst/firts"}, "locate", "it has pfirst/first"),
        "no commit": ({"model": "pfirst/first", "commit_hash": "v99"}, "fetch", "v99"),
    }[what]
    job = service.over(service.submit(**body))
    assert job["state"] == "failed"
    assert reason in job["reason"] and "Traceback" not in job["reason"]
    assert (job["steps"][-1]["name"], job["steps"][-1]["error"]) == (step, job["reason"])
    until(lambda: not service.left_behind(), shown=service.left_behind)


@pytest.mark.nightly
def test_a_job_whose_process_is_killed_begins_again(service: Service) -> None:
    """And does not train twice what is trained."""
    job = service.submit(model="pfirst/first", params={"steps": 20, "pause": 0.1})
    service.running(job)
    os.killpg(service.process_of(job), signal.SIGKILL)
    found = service.succeeded(job)
    assert found["tries"] == 2
    assert service.jobs_log(job).count("Step train") == 2


@pytest.mark.nightly
def test_a_service_that_is_killed_loses_nothing(service: Service, tracked_repo: tuple[object, Tracking]) -> None:
    """The running job goes on by itself, the waiting ones are begun by the next service."""
    running = service.submit(model="pfirst/first", params={"steps": 30, "pause": 0.1})
    waiting = [service.submit(model="pfirst/first", params={"x": 0.1 * n}) for n in range(2)]
    service.running(running)
    service.kill()
    service.start()
    assert service.succeeded(running)["tries"] == 1
    for job in waiting:
        assert service.succeeded(job)["tries"] == 1
    stopped = service.submit(model="pfirst/first", params={"steps": 20, "pause": 0.1})
    service.running(stopped)
    service.stop()
    until(lambda: not started_at(int(_trained_by(service, stopped) or 1)))
    service.start()
    found = service.succeeded(stopped)
    assert found["tries"] == 1 and "begins again" in service.jobs_log(stopped)
