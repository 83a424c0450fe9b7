"""Kills at random moments: of the service, of a job's process, of its whole group, of what it has started."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from experiments.conftest import TRAIN
from experiments.reproductions import commit, in_git
from experiments.tracking import Tracking
from monorepo import Monorepo
from waiting import until

from retrain.services import OVER, Service
from trainyard.contract.files import sha256_of

pytestmark = pytest.mark.slow
MODELS = ("one", "two", "three")
KILLS = 20 if os.environ.get("NIGHTLY") else 6
SEED = 16


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Tracking]]:
    repo = in_git(Monorepo(tmp_path_factory.mktemp("survives") / "repo"))
    for name in MODELS:
        model = repo.add_model(name, project=f"p{name}")
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    commit(repo)
    tracking = Tracking(repo)
    tracking.start()
    service = Service(repo, tracking.url, {"RETRAIN_JOBS": "3", "RETRAIN_TRIES": "1000"})
    service.start()
    yield service, tracking
    service.stop()
    tracking.stop()


def test_killed_at_random_moments(loaded: tuple[Service, Tracking]) -> None:
    """Under a load of jobs: none is lost, none runs twice, none stays; each champion is a whole model."""
    service, tracking = loaded
    chance = random.Random(SEED)
    jobs = [
        service.submit(model=f"p{name}/{name}", params={"x": chance.uniform(0, 2), "steps": 8, "pause": 0.1})
        for name in MODELS
        for _ in range(KILLS // 3)
    ]

    def killed(kind: str) -> bool:
        if kind != "service" and all(service.job(job)["state"] in OVER for job in jobs):  # on a machine that is fast
            jobs.append(service.submit(model="pone/one", params={"steps": 20, "pause": 0.2}))
        return _kill(service, kind, chance)

    kinds = ["process", "group", "both", "service"]
    for what in chance.sample(kinds + chance.choices(kinds, k=KILLS - len(kinds)), KILLS):
        time.sleep(chance.uniform(0.2, 4))  # the moment is the point
        for kind in ("group", "service") if what == "both" else (what,):
            until(functools.partial(killed, kind), 120, service.said)
        if what in ("service", "both"):
            service.start()
    ended = [service.over(job, 600) for job in jobs]
    assert [job["reason"] for job in ended if job["state"] != "succeeded"] == []
    assert len(ended) == service.ask("/jobs?limit=200").text.count('"tries"')
    _check_tracker(tracking, ended)
    until(lambda: not _left(service), 60, lambda: _left(service))
    for job in jobs:
        assert "Traceback" not in service.jobs_log(job)
    assert "Traceback" not in service.said()


@pytest.mark.parametrize(
    "line",
    [
        "Step build",
        "Step train",
        "Step register",
        *(pytest.param(line, marks=pytest.mark.nightly) for line in ("Step fetch", "Step locate", "Version ")),
    ],
)
def test_killed_right_after_a_line_of_its_log(loaded: tuple[Service, Tracking], line: str) -> None:
    """With the process alone, as by the kernel where memory runs out: what it has started is ended, too."""
    service, tracking = loaded
    job = service.submit(model="ptwo/two", params={"x": 1.0})
    log = service.folder(job) / "log"
    until(lambda: log.exists() and line in log.read_text(), 120, lambda: service.job(job))
    os.kill(service.process_of(job), signal.SIGKILL)
    found = service.succeeded(job)
    assert found["version"].startswith("ptwo.two/") and found["champion"] != found["version"]
    _check_tracker(tracking, [found])
    until(lambda: not _left(service), 60, lambda: _left(service))


@pytest.mark.nightly
def test_cancelled_while_it_waits_to_begin_again(loaded: tuple[Service, Tracking]) -> None:
    """Its process was killed: what that has left is removed."""
    service, _ = loaded
    job = service.submit(model="ptwo/two", params={"steps": 100, "pause": 0.2})
    service.running(job)
    os.killpg(service.process_of(job), signal.SIGKILL)
    service.ask(f"/jobs/{job}/cancel", b"")
    assert service.over(job)["state"] == "cancelled"
    until(lambda: not _left(service), 60, lambda: _left(service))


def _kill(service: Service, kind: str, chance: random.Random) -> bool:
    """Whether there was one to be killed."""
    if kind == "service":
        service.kill()
        return True
    folders = [path.parent for path in (service.repo.path / ".trainyard/retrain").glob("*/checkout")]
    for folder in sorted(folders, key=lambda _: chance.random()):
        with contextlib.suppress(OSError, ValueError):
            pid = int((folder / "lock").read_text())
            if f"--id={folder.name}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                (os.killpg if kind == "group" else os.kill)(pid, signal.SIGKILL)
                return True
    return False


def _check_tracker(tracking: Tracking, jobs: list[dict[str, Any]]) -> None:
    """One finished run and one version of each job, and none that goes on; champions that are whole."""
    names = {job["id"] for job in jobs}
    runs = [run for run in tracking.every_run() if _job_of(run) in names]
    assert Counter(_job_of(run) for run in runs if run.info.status == "FINISHED") == Counter(names)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED", "FAILED"}
    own = {run.info.run_id: _job_of(run) for run in runs}
    for name in {job["version"].partition("/")[0] for job in jobs}:
        versions = tracking.client.search_model_versions(f"name = '{name}'", max_results=1000)
        registered = Counter(own[version.run_id] for version in versions if version.run_id in own)
        assert registered == Counter(job["id"] for job in jobs if job["version"].startswith(f"{name}/"))
        champion = tracking.client.get_model_version_by_alias(name, "champion")
        tags = tracking.client.get_model_version(name, champion.version).tags
        folder = Path(_downloaded(tracking, champion.run_id or ""))
        model = name.rpartition(".")[2]
        assert sha256_of(folder / f"{model}.json") == tags["trainyard.record_sha256"]
        assert sha256_of(folder / f"{model}.pkl") == tags["trainyard.sha256"]
        shutil.rmtree(folder)


def _downloaded(tracking: Tracking, run_id: str) -> str:
    import mlflow

    mlflow.set_tracking_uri(tracking.url)
    return str(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="model"))


def _job_of(run: Any) -> str:
    return str(run.data.tags.get("trainyard.job", run.data.tags.get("job", "")))


def _left(service: Service) -> list[str]:
    """Checkouts, images, containers, processes of jobs."""
    state = service.repo.path / ".trainyard"
    found = [*state.glob("retrain/*/checkout"), *state.glob("process/images/trainyard-retrain-*")]
    found += state.glob("process/containers/trainyard-retrain-*")
    return [str(path) for path in found] + [*_processes(service)]


def _processes(service: Service) -> Iterator[str]:
    """Those in the folder of a job, and those that carry one out."""
    own = str(service.repo.path / ".trainyard")
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((path / "cwd").readlink())
            if where.startswith(own) or ("retrain-job" in command and str(service.repo.path) in command):
                yield f"{path.name} {where} {command}"
