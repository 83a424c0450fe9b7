"""Many jobs that wait, requests that race, jobs cancelled at every step, limits on time and disk."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from experiments.reproductions import commit
from experiments.tracking import Tracking
from monorepo import Monorepo
from needs import need
from waiting import until

from retrain.services import Answer, Service

SLOW = {"steps": 200, "pause": 0.1}
WAITING = 500 if os.environ.get("NIGHTLY") else 60
QUICK = 0.5  # seconds for the slower of the requests, on a machine that trains
FILLS = """
import pathlib
import time


def train(msg):
    with open("%s", "wb") as file:
        file.write(bytes(60_000_000))
        file.flush()
        time.sleep(400)  # longer than any look at the disk takes
"""


@pytest.fixture(scope="module")
def queue(tracked_repo: tuple[Monorepo, Tracking]) -> Iterator[Service]:
    """One job at a time, of which none may take long or much."""
    repo, tracking = tracked_repo
    limits = {"RETRAIN_JOBS": "1", "RETRAIN_WAITING": str(WAITING), "RETRAIN_DISK_MB": "40"}
    service = Service(repo, tracking.url, limits)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as pool:
        yield pool


def _all(pool: ThreadPoolExecutor, count: int, ask: Callable[[], Answer]) -> list[Answer]:
    return [one.result() for one in [pool.submit(ask) for _ in range(count)]]


def test_the_same_key_from_many_at_once_is_one_job(queue: Service, asking: ThreadPoolExecutor) -> None:
    body = {"model": "pfirst/first", "params": SLOW}
    answers = _all(asking, 20, lambda: queue.ask("/retrain", body, Idempotency_Key="at once"))
    assert {answer.status for answer in answers} == {202}
    (job,) = {answer.json["id"] for answer in answers}
    _cancelled(queue, job)


@pytest.mark.nightly
def test_of_those_that_replace_each_other_one_stays(queue: Service, asking: ThreadPoolExecutor) -> None:
    running = queue.submit(model="pfirst/first", params=SLOW)
    queue.running(running)
    body = {"model": "pfirst/first", "params": {"x": 1.0}, "on_conflict": "replace"}
    jobs = [answer.json["id"] for answer in _all(asking, 10, lambda: queue.ask("/retrain", body))]
    states = [queue.over(job)["state"] for job in (running, *jobs)]
    assert sorted(states) == ["cancelled"] * 10 + ["succeeded"]
    assert states[0] == "cancelled"


def test_of_those_that_refuse_one_is_taken(queue: Service, asking: ThreadPoolExecutor) -> None:
    body = {"model": "psecond/second", "params": SLOW, "on_conflict": "refuse"}
    answers = _all(asking, 10, lambda: queue.ask("/retrain", body))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 9
    (job,) = [answer.json["id"] for answer in answers if answer.status == 202]
    assert {answer.json["job"] for answer in answers if answer.status == 409} == {job}
    _cancelled(queue, job)


@pytest.mark.parametrize(
    "line", ["Step fetch", pytest.param("Step build", marks=pytest.mark.nightly), "Step train", "Step register"]
)
def test_cancelled_at_every_step(queue: Service, line: str) -> None:
    job = queue.submit(model="pthird/third", params=SLOW if line == "Step train" else {"x": 1.0})
    log = queue.folder(job) / "log"
    until(lambda: log.exists() and line in log.read_text(), shown=lambda: queue.job(job))
    queue.ask(f"/jobs/{job}/cancel", b"")
    began = time.monotonic()
    found = queue.over(job)
    assert time.monotonic() - began < 5
    assert found["state"] == "cancelled" or line == "Step register"  # which may be over before
    assert "Traceback" not in queue.jobs_log(job)
    until(lambda: not queue.left_behind(), shown=queue.left_behind)


def test_a_job_that_waits_is_cancelled_at_once_and_a_failed_one_retried(queue: Service) -> None:
    running = queue.submit(model="pfirst/first", params=SLOW)
    waiting = queue.submit(model="psecond/second", params={"crash": True})
    answer = queue.ask(f"/jobs/{waiting}/cancel", b"").json
    assert (answer["state"], answer["reason"], answer["steps"]) == ("cancelled", "cancelled", [])
    assert "not over" in queue.ask(f"/jobs/{running}/retry", b"").problem(409)
    _cancelled(queue, running)
    again = queue.ask(f"/jobs/{waiting}/retry", b"")
    assert (again.status, again.json["retry_of"]) == (202, waiting)
    failed = queue.over(again.json["id"])
    assert (failed["state"], failed["retry_of"]) == ("failed", waiting)
    third = queue.ask(f"/jobs/{failed['id']}/retry", b"").json
    assert queue.over(third["id"])["reason"] == failed["reason"]


@pytest.mark.slow
def test_a_job_that_takes_too_long(queue: Service) -> None:
    queue.stop()
    queue.start(RETRAIN_TIMEOUT="45")  # the others take what a busy machine needs
    try:
        found = queue.over(queue.submit(model="pfirst/first", params={"steps": 10_000, "pause": 0.1}))
        assert (found["state"], found["steps"][-1]["error"]) == ("failed", found["reason"])
        assert found["reason"] == "it took longer than 45 s: RETRAIN_TIMEOUT allows more"
        until(lambda: not queue.left_behind(), shown=queue.left_behind)
    finally:
        queue.stop()
        queue.start()


def test_a_process_that_does_not_end_is_killed(queue: Service) -> None:
    job = queue.submit(model="pfirst/first", params=SLOW)
    queue.running(job)
    process = queue.process_of(job)
    os.kill(process, signal.SIGSTOP)
    began = time.monotonic()
    _cancelled(queue, job)
    assert time.monotonic() - began < 10
    until(lambda: not queue.left_behind(), shown=queue.left_behind)


def test_a_job_that_takes_too_much_of_the_disk(queue: Service) -> None:
    found = _filling(queue, "models/third.pkl")
    assert (found["state"], found["steps"][-1]["name"]) == ("failed", "train")
    assert found["reason"].endswith("more than 40: RETRAIN_DISK_MB allows more")
    assert found["steps"][-1]["error"] == found["reason"]
    assert "Traceback" not in queue.jobs_log(found["id"])
    until(lambda: not queue.left_behind(), shown=queue.left_behind)


@pytest.mark.slow
def test_a_container_that_takes_too_much_of_the_disk(queue: Service) -> None:
    """Where no mount is: in its own layer."""
    need("docker")
    queue.stop()
    queue.start(ENGINE="docker")
    try:
        found = _filling(queue, "/var/tmp/filled")
        assert found["reason"].endswith("more than 40: RETRAIN_DISK_MB allows more"), queue.jobs_log(found["id"])
    finally:
        queue.stop()
        queue.start()


def _filling(queue: Service, where: str) -> dict[str, Any]:
    """The job of a training that writes a large file."""
    path = queue.repo.path / "projects/pthird/third/train.py"
    text = path.read_text()
    path.write_text(FILLS % where)
    commit(queue.repo)
    try:
        return queue.over(queue.submit(model="pthird/third"), 500)
    finally:
        path.write_text(text)
        commit(queue.repo)


@pytest.mark.slow
def test_hundreds_of_jobs_that_wait_do_no_harm(queue: Service) -> None:
    queue.stop()
    queue.start(RETRAIN_TIMEOUT="0")  # the one that keeps them waiting goes on
    running = queue.submit(model="pfirst/first", params={"steps": 2000, "pause": 0.1})
    queue.running(running)
    ended = _ended(queue)
    bodies = [{"model": f"many/m{number}"} for number in range(WAITING)]
    posted = [_timed(functools.partial(queue.ask, "/retrain", body)) for body in bodies]
    assert {answer.status for answer, _ in posted} == {202}
    assert _slow(posted) < QUICK
    refused = queue.ask("/retrain", {"model": "many/more"})
    assert "RETRAIN_WAITING" in refused.problem(503) and int(refused.headers["retry-after"]) > 0
    listed = [_timed(lambda: queue.ask("/jobs?limit=200")) for _ in range(20)]
    assert _slow(listed) < 2 * QUICK
    assert _slow([_timed(lambda: queue.ask("/jobs?state=running")) for _ in range(20)]) < QUICK
    before = _processor_seconds(queue)
    time.sleep(4)  # the span that is measured
    assert _processor_seconds(queue) - before < 0.8  # of four seconds, in which nothing is asked
    for answer, _ in posted:
        assert queue.ask(f"/jobs/{answer.json['id']}/cancel", b"").json["state"] == "cancelled"
    _cancelled(queue, running)
    counts = queue.ask("/metrics").text
    assert 'trainyard_retrain_jobs{state="waiting"} 0.0' in counts
    until(lambda: _ended(queue) >= ended + WAITING, shown=lambda: _ended(queue))  # whoever wants to know was told


def _ended(queue: Service) -> float:
    """How many were cancelled, as the service counts them when they are over."""
    name = 'trainyard_retrain_jobs_ended_total{state="cancelled",trigger="token"} '
    return sum(float(line.removeprefix(name)) for line in queue.ask("/metrics").text.splitlines() if name in line)


def _cancelled(queue: Service, job: str) -> None:
    queue.ask(f"/jobs/{job}/cancel", b"")
    assert queue.over(job)["state"] == "cancelled"


def _timed(ask: Callable[[], Answer]) -> tuple[Answer, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


def _slow(timed: list[tuple[Answer, float]]) -> float:
    """What nine in ten do not take."""
    return sorted(seconds for _, seconds in timed)[int(len(timed) * 0.9)]


def _processor_seconds(queue: Service) -> float:
    """Of the service, and of what it has waited for."""
    assert queue.process
    total = 0.0
    for pid in (path.name for path in Path("/proc").glob("[0-9]*")):
        if _group(pid) == queue.process.pid:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _group(pid: str) -> int:
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return 0
