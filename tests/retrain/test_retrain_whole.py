"""The service together with the rest: servers swap, people are told, a push trains, an older project runs."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments.conftest import TRAIN
from experiments.reproductions import commit, git, in_git
from experiments.tracking import Tracking
from monorepo import Client, Model, Monorepo
from waiting import until

from retrain import receiving
from retrain.git_servers import GitServer
from retrain.projects import write_project
from retrain.services import Service

SECRET = "hook-secret-51"


@pytest.fixture(scope="module")
def receiver() -> Iterator[receiving.Receiver]:
    with receiving.receiver() as found:
        yield found


@pytest.fixture(scope="module")
def told(
    tracked_repo: tuple[Monorepo, Tracking], tmp_path_factory: pytest.TempPathFactory, receiver: receiving.Receiver
) -> Iterator[Service]:  # fmt: skip
    """A service that tells a receiver, and takes pushes. Its monorepo is a clone: what is pushed is not in it."""
    _, tracking = tracked_repo
    upstream = in_git(Monorepo(tmp_path_factory.mktemp("upstream") / "repo"))
    for name in ("a", "b"):
        model = upstream.add_model(name, project=f"hook{name}")
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    (upstream.path / ".gitignore").write_text(".trainyard/\n.venv\n__pycache__/\n/projects/*/models/\n*.log\n")
    commit(upstream)
    clone = Monorepo(tmp_path_factory.mktemp("clone") / "repo")
    for command in (["init", "-q"], ["remote", "add", "origin", str(upstream.path)], ["fetch", "-q", "origin"]):
        subprocess.run(["git", "-C", str(clone.path), *command], check=True)
    subprocess.run(["git", "-C", str(clone.path), "checkout", "-q", "-f", "-B", "main", "FETCH_HEAD"], check=True)
    os.utime(clone.path / "pyproject.toml", (0, 0))  # older than the environment's stamp
    service = Service(
        clone, tracking.url,
        {
            "RETRAIN_NOTIFY": receiver.url, "RETRAIN_WEBHOOK_SECRET": SECRET, "RETRAIN_PUSH_SECRET": SECRET,
            "RETRAIN_PUSH_BRANCHES": "main master", "RETRAIN_CALLBACKS": "127.0.0.1", "RETRAIN_NOTICE_TIMEOUT": "5",
        },
    )  # fmt: skip
    service.upstream = upstream  # type: ignore[attr-defined]
    service.start()
    yield service
    service.stop()


@pytest.mark.nightly
def test_the_champion_that_is_served_is_swapped_without_a_loss(service: Service, first: Model) -> None:
    """deploy=true: the job ends when the server answers with the new version."""
    repo = service.repo
    service.succeeded(service.submit(model="pfirst/first", params={"x": 0.7}))
    given = {"TRACKING_URI": service.tracker, "VERSION": "champion", "VERSION_POLL": "1"}
    with repo.serving(first, **given) as port, Client(port, "first/predict") as client:
        before = client.post([[1, 2]])
        with client.keep_posting([[1, 2]]) as answers:
            job = service.succeeded(service.submit(model="pfirst/first", params={"x": 2.0}, deploy=True))
            after = client.post([[1, 2]])
        assert job["promoted"] and [step["name"] for step in job["steps"]][-1] == "deploy"
        assert (before[0], after[0]) != (after[0], before[0]) and after[0] == {"predictions": [6.0]}
        assert after[1] != before[1]
        assert {version for _, version in answers} == {before[1], after[1]}
        worse = service.succeeded(service.submit(model="pfirst/first", params={"x": 9.0}, deploy=True))
        assert worse["promoted"] is False and client.post([[1, 2]])[1] == after[1]
    unserved = service.over(service.submit(model="pthird/third", deploy=True))
    assert (unserved["state"], unserved["version"]) == ("failed", "pthird.third/1")
    assert "make predict VERSION=champion" in unserved["reason"]


def test_whoever_asked_is_told(told: Service, receiver: receiving.Receiver) -> None:
    callback = f"{receiver.url}/back"
    job = told.succeeded(told.submit(model="hooka/a", params={"x": 1.0}, callback_url=callback))
    bad = told.over(told.submit(model="hooka/a", params={"crash": True}))
    until(lambda: {("started", job["id"]), ("succeeded", job["id"]), ("failed", bad["id"])} <= _events(receiver, "/"))
    until(lambda: ("succeeded", job["id"]) in _events(receiver, "/back"))
    (success,) = [one for one in receiver.received if one.path == "/back"]
    signed = f"{success.headers['x-trainyard-timestamp']}.".encode() + success.body
    assert success.content["job"]["promoted"] is True and success.content["job"]["version"] == "hooka.a/1"
    assert SECRET.encode() not in b"".join(one.body for one in receiver.received)
    expected = {hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest() for text in (signed, success.body)}
    assert success.headers["x-trainyard-signature-256"].removeprefix("sha256=") in expected
    failure = next(one.content for one in receiver.received if one.content["event"] == "failed")
    assert any("as asked" in line for line in failure["last_lines"])
    refused = told.ask("/retrain", {"model": "hooka/a", "callback_url": "http://169.254.169.254/latest"})
    assert "RETRAIN_CALLBACKS" in refused.problem(422)


def _events(receiver: receiving.Receiver, path: str) -> set[tuple[str, str]]:
    return {(one.content["event"], one.content["job"]["id"]) for one in receiver.received if one.path == path}


def test_a_push_trains_what_it_changes(told: Service) -> None:
    """The commit is not in the clone yet."""
    upstream: Monorepo = told.upstream  # type: ignore[attr-defined]
    before = git(upstream, "rev-parse", "HEAD")
    path = upstream.path / "projects/hookb/b/train.py"
    path.write_text(path.read_text().replace('print("trained', 'print("pushed, trained'))
    after = commit(upstream)
    branch = git(upstream, "symbolic-ref", "--short", "HEAD")
    repository = {"clone_url": str(upstream.path), "url": str(upstream.path), "default_branch": branch}
    body = {"ref": f"refs/heads/{branch}", "before": before, "after": after, "repository": repository}
    content = json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    headers = {"X_GitHub_Event": "push", "X_GitHub_Delivery": "1", "X_Hub_Signature_256": f"sha256={signature}"}
    assert told.ask("/webhooks/push", content, **{**headers, "X_Hub_Signature_256": "sha256=00"}).problem(401)
    answer = told.ask("/webhooks/push", content, **headers)
    assert answer.status == 202, answer
    (job,) = answer.json["jobs"]
    found = told.succeeded(job["id"])
    assert (found["trigger"], found["commit"], found["version"]) == ("push", after, "hookb.b/1")
    assert "pushed, trained by" in told.jobs_log(job["id"])
    assert told.ask("/webhooks/push", content, **headers).problem(409)


@pytest.mark.slow
def test_a_repository_of_the_older_service_works_unchanged(
    tracked_repo: tuple[Monorepo, Tracking], server: GitServer, tmp_path: Path
) -> None:
    """The body of its documentation, a folder with an MLproject."""
    _, tracking = tracked_repo
    folder = write_project(tmp_path / "theirs" / "path" / "to", "cars")
    top = tmp_path / "theirs"
    bare = server.new("cars.git")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["commit", "-q", "-m", "all"],
        ["push", "-q", str(bare.path), "HEAD:main"],
    ):
        subprocess.run(["git", "-C", str(top), *identity, *command], check=True)
    own = in_git(Monorepo(tmp_path / "own"))
    commit(own)
    service = Service(own, tracking.url, {"RETRAIN_SOURCES": f"{server.url}/*", "RETRAIN_UNCONFINED": "1"})
    service.start()
    try:
        body = {
            "experiment_name": "name_of_experiment", "git_uri": f"http://git@{server.host}/cars.git",
            "MLproject_location": str(folder.relative_to(top)), "commit_hash": "main", "dataset_uri": "",
            "base_model": "",
        }  # fmt: skip
        job = service.succeeded(service.submit(**body))
        assert (job["version"], job["promoted"]) == ("cars/1", True)
        assert [step["name"] for step in job["steps"]] == ["fetch", "locate", "train"]
        found = tracking.client.get_run(job["run"])
        assert tracking.client.get_experiment(found.info.experiment_id).name == "name_of_experiment"
    finally:
        service.stop()


def test_a_training_begins_from_a_base_model(service: Service, first: Model) -> None:
    job = service.succeeded(service.submit(model="pfirst/first", params={"x": 1.9}))
    again = service.succeeded(service.submit(model="pfirst/first", params={"x": 1.8}, base_model=job["run"]))
    shown = service.repo.make(None, "run-show", f"ID={again['run']}").succeeded().out
    assert job["run"] in shown
    wrong = service.over(service.submit(model="pfirst/first", base_model="no-such-run"))
    assert wrong["state"] == "failed" and "no-such-run" in wrong["reason"]


def test_new_data_trains(tracked_repo: tuple[Monorepo, Tracking], tmp_path: Path) -> None:
    """A version that comes into the data store of the model: config.yaml asks for it."""
    _, tracking = tracked_repo
    own, shelf = in_git(Monorepo(tmp_path / "own")), tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "rows_v1.csv").write_text("a,b\n1,2\n")
    (own.path / "datastores.yaml").write_text(f"ours: {shelf}\n")
    model = own.add_model("m0")
    (model.path / "train.py").write_text(TRAIN)
    (model.path / "config.yaml").write_text("retrain: {on_data: true}\n")
    model.replace("Makefile", "data/numbers.csv", "ours:latest.csv")
    commit(own)
    service = Service(own, tracking.url, {"RETRAIN_POLL": "1"})
    service.start()
    try:
        database = own.path / ".trainyard/retrain/jobs.db"
        until(lambda: "rows_v1.csv" in _remembered(database))
        assert service.ask("/jobs").json["jobs"] == []
        (shelf / "rows_v2.csv").write_text("a,b\n1,2\n3,4\n")
        (job,) = until(lambda: service.ask("/jobs").json["jobs"], 90, service.said)
        found = service.succeeded(job["id"])
        assert (found["trigger"], found["version"]) == ("data", "sums.m0/1")
        assert "rows_v2.csv" in own.make(None, "run-show", f"ID={found['run']}").succeeded().out
    finally:
        service.stop()


def test_rows_that_drift_train(tracked_repo: tuple[Monorepo, Tracking], tmp_path: Path) -> None:
    """From requests of a served champion to the next version, without anybody's doing."""
    _, tracking = tracked_repo
    own = in_git(Monorepo(tmp_path / "own"))
    model = own.add_model("one")
    own.make(model, "train").succeeded()
    seen = {"columns": [{"name": name, "type": "number", "minimum": 1, "maximum": 4} for name in "ab"]}
    model.record.write_text(json.dumps(json.loads(model.record.read_text()) | {"schema": seen}))
    with own.serving(model) as port:
        (model.path / "config.yaml").write_text(
            f"retrain: {{on_drift: {{server: 'http://127.0.0.1:{port}', threshold: 10}}}}\n"
        )
        commit(own)
        service = Service(own, tracking.url, {"RETRAIN_POLL": "1"})
        service.start()
        try:
            database = own.path / ".trainyard/retrain/jobs.db"
            with Client(port, "one/predict") as client:
                client.post([[1, 2], [3, 4]])
                until(lambda: "drift" in _remembered(database) or str(port) in _remembered(database))
                assert service.ask("/jobs").json["jobs"] == []
                for _ in range(6):
                    client.post([[90, 2], [2, 99]])
            (job,) = until(lambda: service.ask("/jobs").json["jobs"], 90, service.said)
            found = service.succeeded(job["id"])
            assert (found["trigger"], found["version"]) == ("drift", "sums.one/1")
        finally:
            service.stop()


def _remembered(database: Path) -> str:
    with sqlite3.connect(database) as connection:
        return str(connection.execute("SELECT value FROM trigger_state").fetchall())
