"""Jobs in PostgreSQL: stopped, started again, used by two services."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments.conftest import TRAIN
from experiments.reproductions import commit, in_git
from experiments.stores import PASSWORD, postgresql
from experiments.tracking import Tracking
from monorepo import Monorepo
from waiting import until

from retrain.services import Service

pytestmark = pytest.mark.slow  # PostgreSQL and MLflow take their time to start
SLOW = {"steps": 40, "pause": 0.1}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="module")
def service(tracked_repo: tuple[Monorepo, Tracking], database: str) -> Iterator[Service]:
    repo, tracking = tracked_repo
    service = Service(repo, tracking.url, {"RETRAIN_JOBS": "2", "RETRAIN_DATABASE": database})
    service.start()
    yield service
    service.stop()


@pytest.mark.nightly
def test_jobs_survive_a_restart_and_a_kill(service: Service) -> None:
    job = service.submit(model="pfirst/first", params=SLOW)
    service.running(job)
    service.stop()
    service.start()
    service.running(job)
    os.killpg(service.process_of(job), signal.SIGKILL)
    service.kill()
    service.start()
    found = service.succeeded(job)
    assert (found["version"], found["tries"]) == ("pfirst.first/1", 2)
    assert not (service.repo.path / ".trainyard/retrain/jobs.db").exists()


def test_the_database_is_started_again_while_jobs_run(service: Service, database: str) -> None:
    """Jobs go on, and wait for it; the API says so meanwhile."""
    jobs = [service.submit(model=name, params=SLOW) for name in ("pfirst/first", "psecond/second")]
    waiting = service.submit(model="pfirst/first", params={"x": 0.5})
    for job in jobs:
        service.running(job)
    _control(database, "stop", "-m", "immediate")
    for path, body in (("/jobs", None), (f"/jobs/{waiting}", None), ("/readyz", None), ("/retrain", {"model": "m"})):
        answer = service.ask(path, body)
        assert "does not answer" in answer.problem(503)
        assert int(answer.headers["retry-after"]) > 0
    assert service.ask("/livez").status == 200
    logs = [service.folder(job) / "log" for job in jobs]
    until(lambda: all("the job waits for it" in log.read_text() for log in logs), 120)
    _control(database, "start")
    for job in (*jobs, waiting):
        assert service.succeeded(job)["tries"] == 1
    assert service.said().count("jobs are not handed out") == 1
    for text in (service.said(), *(service.jobs_log(job) for job in jobs)):
        assert "Traceback" not in text and PASSWORD not in text


def test_two_services_of_one_database(service: Service, database: str, tmp_path: Path) -> None:
    other = in_git(Monorepo(tmp_path / "other"))
    (other.add_model("third").path / "train.py").write_text(TRAIN)
    commit(other)
    given = {"TRACKING_URI": service.tracker, "RETRAIN_DATABASE": database}
    made = other.make(None, "retrain-service", "RETRAIN_PORT=1", **given)
    made.failed("another retrain service uses this database", "RETRAIN_DATABASE")
    service.kill()
    service.start()  # the lock went with it


def _control(database: str, *what: str) -> None:
    """Of the server whose URL that is."""
    port = database.rpartition(":")[2].partition("/")[0]
    folders = Path("/tmp").glob("trainyard-postgresql-*/data")
    data = next(path for path in folders if port in (path / "postmaster.opts").read_text())
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    options = [f"--pgdata={data}", "-l", str(data.parent / "log"), "--wait"]
    if what[0] == "start":
        given = (data / "postmaster.opts").read_text().partition(" ")[2].replace('"', "'").strip()
        options += ["-o", given]
    subprocess.run([*user, str(programs / "pg_ctl"), *options, *what], cwd="/", check=True, capture_output=True)
