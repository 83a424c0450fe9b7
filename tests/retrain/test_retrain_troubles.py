"""What goes wrong around a job: the tracker, the repository, the build, the disk. Each has its state and one line."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from experiments.conftest import TRAIN
from experiments.reproductions import commit, in_git
from experiments.tracking import Tracking
from monorepo import Model, Monorepo
from needs import can_mount
from waiting import until

from retrain.git_servers import GitServer
from retrain.services import OVER, Service

SLOW = {"steps": 30, "pause": 0.1}
ROOM = 6_000_000  # bytes of the small disk


def _failed(service: Service, job_id: str, step: str, *parts: str) -> dict[str, Any]:
    job = service.over(job_id)
    assert job["state"] == "failed", job
    assert "\n" not in job["reason"] and "a bug in" not in job["reason"]
    assert (job["steps"] or [{"name": ""}])[-1]["name"] == step, job
    for part in parts:
        assert part in job["reason"], job
    for text in (service.jobs_log(job_id), service.said()):
        assert "Traceback" not in text, text
    return job


def test_a_tracker_that_is_down_and_comes_back(service: Service, tracked_repo: tuple[Monorepo, Tracking]) -> None:
    """What is trained by then is kept."""
    repo, tracking = tracked_repo
    trains = service.submit(model="pfirst/first", params={**SLOW, "x": 1.7})
    service.running(trains)
    tracking.kill()
    try:
        failed = _failed(service, trains, "register", tracking.url, "make promote MODEL=pfirst/first ID=")
        _failed(service, service.submit(model="psecond/second"), "", "the tracker", "does not answer")
        assert service.ask("/readyz").status == 200
    finally:
        tracking.start()
    promoted = repo.make(
        None, "promote", "MODEL=pfirst/first", f"ID={failed['run']}", TRACKING_URI=tracking.url
    ).succeeded()
    assert "is the champion" in promoted.err
    again = service.ask(f"/jobs/{trains}/retry", b"").json["id"]
    assert service.succeeded(again)["metrics"]["loss"] == pytest.approx(0.09)
    until(lambda: not service.left_behind(), shown=service.left_behind)


@pytest.mark.nightly
def test_a_repository_that_vanishes(tracked_repo: tuple[Monorepo, Tracking], server: GitServer, tmp_path: Path) -> None:
    """Between the POST and the fetch."""
    _, tracking = tracked_repo
    repo = in_git(Monorepo(tmp_path / "own"))
    model = repo.add_model("first", project="pfirst")
    (model.path / "train.py").write_text(TRAIN)
    (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    commit(repo)
    bare = server.new("gone.git")
    settings = {"RETRAIN_SOURCES": f"{server.url}/*", "RETRAIN_UNCONFINED": "1", "RETRAIN_JOBS": "1"}
    service = Service(repo, tracking.url, settings)
    service.start()
    try:
        running = service.submit(model="pfirst/first", params=SLOW)
        service.running(running)
        waiting = service.submit(git_uri=f"{server.url}/gone.git", model="pfirst/first")
        shutil.rmtree(bare.path)
        _failed(service, waiting, "fetch", "gone.git")
        assert service.succeeded(running)
        until(lambda: not service.left_behind(), shown=service.left_behind)
    finally:
        service.stop()


def test_a_build_that_fails(service: Service, first: Model) -> None:
    path = first.path / "requirements_train.txt"
    path.write_text("no-such-package-of-ours==99.9\n")
    commit(service.repo)
    try:
        bad = service.submit(model="pfirst/first")
        good = service.submit(model="psecond/second")
        _failed(service, bad, "build", "no-such-package-of-ours")
        assert service.succeeded(good)
    finally:
        path.write_text("")
        commit(service.repo)
    until(lambda: not service.left_behind(), shown=service.left_behind)


@pytest.fixture
def cramped(tracked_repo: tuple[Monorepo, Tracking]) -> Iterator[Service]:
    """A service whose folder of jobs, database included, is on a small disk of its own."""
    if not can_mount():
        pytest.skip("needs to mount a file system")
    repo, tracking = tracked_repo
    folder = repo.path / ".trainyard/retrain"
    folder.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={ROOM} tmpfs "{folder}" && exec "$@"'
    service = Service(repo, tracking.url, within=("unshare", "--mount", "bash", "-c", script, "bash"))
    service.start()
    yield service
    service.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", ["while it trains", pytest.param("while it is asked for", marks=pytest.mark.nightly)]
)
def test_a_disk_that_is_full(cramped: Service, moment: str) -> None:
    """Nothing is half-written, and once there is room all goes on."""
    before = cramped.submit(model="psecond/second", params={"x": 1.0})
    cramped.succeeded(before)
    running = cramped.submit(model="pfirst/first", params={**SLOW, "x": 1.1})
    asked: list[str] = []
    if moment == "while it trains":
        cramped.running(running)
    with _full(cramped):
        for _ in range(5):
            answer = cramped.ask("/retrain", {"model": "pthird/third"})
            if answer.status == 202:
                asked.append(answer.json["id"])
            else:
                assert "its disk is full" in answer.problem(503) and answer.headers["retry-after"]
        assert cramped.job(before)["state"] == "succeeded"
        assert cramped.ask("/livez").status == 200
        if moment == "while it trains":
            until(lambda: "No space left" in cramped.jobs_log(running) or cramped.job(running)["state"] in OVER, 30)
    for job in (running, *asked):
        found = cramped.over(job)
        assert found["state"] == "succeeded" or "No space left" in found["reason"], found
        assert "\n" not in found["reason"] and "a bug in" not in found["reason"]
    after = cramped.succeeded(cramped.submit(model="pfirst/first", params={"x": 1.2}))
    assert after["tries"] == 1
    until(lambda: not list(_inside(cramped).glob("*/checkout")), shown=lambda: list(_inside(cramped).glob("*/*")))
    assert "Traceback" not in cramped.said()


def _inside(service: Service) -> Path:
    """The folder of jobs as the service sees it."""
    assert service.process
    return Path(f"/proc/{service.process.pid}/root") / str(service.repo.path / ".trainyard/retrain")[1:]


@contextlib.contextmanager
def _full(service: Service) -> Iterator[None]:
    filled = _inside(service) / "filled"
    with contextlib.suppress(OSError), filled.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    try:
        yield
    finally:
        filled.unlink()
