"""Jobs of repositories that are not the service's own: allowed, fetched with a credential, confined."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments.conftest import TRAIN
from experiments.reproductions import commit, git, in_git
from experiments.tracking import Tracking
from monorepo import Monorepo
from needs import need
from processes_watched import watched

from retrain.git_servers import GitServer
from retrain.services import Service

CANARY = "canary7d2e9a4b"
SPY = '''
import os, pathlib, socket

def look(name):
    """What code of a stranger finds where it trains."""
    secrets = [key for key in os.environ if "RETRAIN" in key or "WEBHOOK" in key.upper()]
    try:
        socket.create_connection(("127.0.0.1", int(%(port)d)), timeout=3).close()
        network = "reached"
    except OSError:
        network = "none"
    sockets = [path for path in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(path)]
    limits = [pathlib.Path("/sys/fs/cgroup", name) for name in ("pids/pids.max", "pids.max")]
    tasks = next(path.read_text().strip() for path in limits if path.exists())
    cap = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")][0]
    print(f"SPY secrets={secrets} network={network} sockets={sockets} tasks={tasks} caps={int(cap, 16)}")
'''


def pushed(server: GitServer, folder: Path, train: str = TRAIN) -> Monorepo:
    """A monorepo of somebody else's, on the server as theirs.git."""
    theirs = in_git(Monorepo(folder))
    (theirs.path / ".gitignore").write_text(".trainyard/\n.venv\n__pycache__/\n/projects/*/models/\n")
    model = theirs.add_model("guest", project="pguest")
    (model.path / "train.py").write_text(train)
    (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    commit(theirs)
    bare = server.new("theirs.git")
    git(theirs, "push", "--quiet", str(bare.path), "HEAD:main")
    return theirs


@pytest.fixture
def open_service(tracked_repo: tuple[Monorepo, Tracking], server: GitServer, tmp_path: Path) -> Iterator[Service]:
    """Takes repositories of the server; its code is not confined."""
    _, tracking = tracked_repo
    own = in_git(Monorepo(tmp_path / "own"))
    commit(own)
    service = Service(own, tracking.url, {"RETRAIN_SOURCES": f"{server.url}/*", "RETRAIN_UNCONFINED": "1"})
    service.start()
    yield service
    service.stop()


def test_a_token_in_the_address_is_used_and_seen_nowhere(
    open_service: Service, server: GitServer, tmp_path: Path
) -> None:
    theirs = pushed(server, tmp_path / "theirs")
    server.login = f"x-access-token:{CANARY}"
    found: set[str] = set()
    uri = f"http://{CANARY}@{server.host}/theirs.git"
    answers = []
    with watched(found, CANARY, kinds=("cmdline", "environ")):
        answers.append(open_service.ask("/retrain", {"git_uri": uri, "MLproject_location": "projects/pguest/guest"}))
        job = open_service.succeeded(answers[0].json["id"])
        wrong = open_service.ask("/retrain", {"git_uri": uri.replace("theirs", "none"), "model": "guest"})
        failed = open_service.over(wrong.json["id"])
    assert job["commit"] == git(theirs, "rev-parse", "HEAD")
    assert job["version"] == "pguest.guest/1"
    assert job["request"]["git_uri"] == f"http://{server.host}/theirs.git"
    assert failed["state"] == "failed" and failed["steps"][-1]["name"] == "fetch"
    assert CANARY in "".join(server.logins)
    paths = ("/jobs", f"/jobs/{job['id']}/log", f"/jobs/{failed['id']}/log", "/metrics")
    answers += [open_service.ask(path) for path in paths]
    assert all(CANARY not in answer.text for answer in answers)
    assert found == set()
    assert "credential" in open_service.ask(f"/jobs/{job['id']}/retry", b"").problem(409)
    for path in open_service.repo.path.rglob("*"):  # database and logs, too
        if path.is_file() and ".venv" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path


def test_a_job_with_a_token_that_the_service_has_forgotten(open_service: Service, server: GitServer) -> None:
    """It waited, and the service was started again: it says so, and does not wait for ever."""
    server.new("slow.git").commit({"a": "b"})
    server.free = threading.Event()
    body = {"model": "guest", "git_uri": f"http://{CANARY}@{server.host}/slow.git"}
    first = open_service.submit(**body)
    second = open_service.submit(**body)
    assert server.asked.wait(60)
    open_service.kill()
    open_service.start()
    server.free.set()
    assert open_service.over(first)["state"] == "failed"
    job = open_service.over(second)
    assert (job["state"], "in the service's memory alone" in job["reason"]) == ("failed", True)


def test_which_repositories_may_be_named(service: Service, open_service: Service, server: GitServer) -> None:
    refused = service.ask("/retrain", {"git_uri": f"{server.url}/theirs.git", "model": "guest"})
    assert "RETRAIN_SOURCES" in refused.problem(403)
    for uri in ("file:///etc", "/etc", "ext::sh -c id", "--upload-pack=id", "https://elsewhere.example/x.git"):
        answer = open_service.ask("/retrain", {"git_uri": uri, "model": "guest"})
        assert answer.status in (403, 422), (uri, answer)
        assert answer.problem(answer.status)
    answer = open_service.ask("/retrain", {"git_uri": f"{server.url}/a.git", "model": "x", "commit_hash": "--help"})
    assert answer.problem(422)


def test_a_repository_reads_nothing_of_this_machine(
    open_service: Service, server: GitServer, tmp_path: Path
) -> None:  # fmt: skip
    """Neither by data stores of its own, nor by what its requirements name, nor by the dataset of a request."""
    secret = tmp_path / "outside" / "rows.csv"
    secret.parent.mkdir()
    secret.write_text(f"{CANARY}\n1\n")
    shelf = open_service.repo.path / "shelf"
    shelf.mkdir()
    (shelf / "rows.csv").write_text("a\n1\n")
    (open_service.repo.path / "datastores.yaml").write_text("ours: shelf\n")
    theirs = in_git(Monorepo(tmp_path / "theirs"))
    (theirs.path / ".gitignore").write_text(".trainyard/\n.venv\n__pycache__/\n/projects/*/models/\n")
    (theirs.path / "datastores.yaml").write_text(f"outside: {secret.parent}\n")
    for name, requirements in (("plain", ""), ("nosy", f"-r {secret}\n")):
        model = theirs.add_model(name, project="pnosy")
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "requirements_train.txt").write_text(requirements)
    commit(theirs)
    git(theirs, "push", "--quiet", str(server.new("nosy.git").path), "HEAD:main")

    def reason(model: str = "plain", **more: str) -> str:
        body = {"git_uri": f"{server.url}/nosy.git", "model": f"pnosy/{model}", **more}
        job = open_service.over(open_service.submit(**body))
        assert CANARY not in open_service.jobs_log(job["id"]) + str(job)
        return f"{job['state']}: {job['reason']}"

    assert "no data store outside" in reason(dataset_uri="outside:rows.csv")
    assert "leads out" in reason(dataset_uri=str(secret))
    assert "leads out" in reason(dataset_uri="data/../../../../outside/rows.csv")
    assert "RETRAIN_DATASETS" in reason(dataset_uri=f"file://{secret}")
    assert "failed" in reason("nosy")
    assert "succeeded" in reason(dataset_uri="ours:rows.csv")


def test_a_dataset_by_its_url(tracked_repo: tuple[Monorepo, Tracking], tmp_path: Path) -> None:
    """Where the operator lists it."""
    repo, tracking = tracked_repo
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "rows_v2.csv").write_text("a,b\n1,2\n5,6\n7,8\n")
    own = in_git(Monorepo(tmp_path / "own"))
    (own.add_model("m0").path / "train.py").write_text(TRAIN)
    commit(own)
    service = Service(own, tracking.url, {"RETRAIN_DATASETS": f"file://{tmp_path}/shelf/*"})
    service.start()
    try:
        job = service.succeeded(service.submit(model="sums/m0", dataset_uri=f"file://{tmp_path}/shelf/latest.csv"))
        shown = own.make(None, "run-show", f"ID={job['run']}").succeeded().out
        assert "rows_v2.csv" in shown
    finally:
        service.stop()
    assert repo.path.exists()


def test_without_containers_other_repositories_need_a_word(
    tracked_repo: tuple[Monorepo, Tracking], server: GitServer, tmp_path: Path
) -> None:
    _, tracking = tracked_repo
    own = in_git(Monorepo(tmp_path / "own"))
    service = Service(own, tracking.url, {"RETRAIN_SOURCES": f"{server.url}/*"})
    service.start()
    try:
        refused = service.ask("/retrain", {"git_uri": f"{server.url}/theirs.git", "model": "guest"})
        assert "RETRAIN_UNCONFINED=1" in refused.problem(403)
    finally:
        service.stop()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.nightly)])
def test_code_of_a_stranger_is_confined(
    tracked_repo: tuple[Monorepo, Tracking], server: GitServer, tmp_path: Path, engine: str
) -> None:
    """No network, no environment of the service, no rights, no socket, limits; and with the word a network."""
    need(engine)
    _, tracking = tracked_repo
    spy = SPY % {"port": server.server_address[1]}
    spying = TRAIN.replace('    payload = msg["payload"]\n', '    look(1)\n    payload = msg["payload"]\n') + spy
    theirs = pushed(server, tmp_path / "theirs", spying)
    own = in_git(Monorepo(tmp_path / "own", engine))
    own.make(None, "builders").succeeded()  # the job does not wait for them
    commit(own)
    secrets = {"RETRAIN_WEBHOOK_SECRET": CANARY, "webhook_url": f"http://127.0.0.1:9/{CANARY}"}
    service = Service(own, tracking.url, {"RETRAIN_SOURCES": f"{server.url}/*", **secrets})
    service.start()
    try:
        job = service.succeeded(service.submit(git_uri=f"{server.url}/theirs.git", model="pguest/guest"))
        (line,) = [line for line in service.jobs_log(job["id"]).splitlines() if line.startswith("SPY")]
        assert "secrets=[] network=none sockets=[] tasks=2048 caps=0" in line
        running = service.submit(
            git_uri=f"{server.url}/theirs.git", model="pguest/guest", params={"steps": 200, "pause": 0.1}
        )
        service.running(running)
        service.ask(f"/jobs/{running}/cancel", b"")
        assert service.over(running, 10)["state"] == "cancelled"
        names = subprocess.run([engine, "ps", "--format", "{{.Names}}"], capture_output=True, text=True, check=True)
        assert "trainyard-retrain" not in names.stdout
        assert CANARY not in service.said() + service.jobs_log(job["id"])
    finally:
        service.stop()
        own.make(None, "clean")
    assert theirs.path.exists()
