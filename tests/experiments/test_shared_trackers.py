"""Trackers of a team: ``make track`` on PostgreSQL and an object store, and a server with users. All real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from monorepo import Model, Monorepo, ask

from experiments.stores import BUCKET, PASSWORD, mlflow_with_users, object_store, postgresql
from experiments.tracking import WAIT, Tracking, tracking

pytestmark = pytest.mark.slow  # three servers take their time to start


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def server(database: str, objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with ExitStack() as stack:
        credentials = stack.enter_context(object_store(objects))  # the server's alone: trainings do not have them
        settings = {"TRACK_DATABASE": database, "TRACK_ARTIFACTS": f"s3://{BUCKET}/runs"}
        yield stack.enter_context(tracking(tmp_path_factory.mktemp("repo"), **settings, **credentials))


@pytest.fixture
def repo(server: Tracking) -> Monorepo:
    return server.repo


def test_runs_are_in_the_database_and_artifacts_in_the_store(
    server: Tracking, repo: Monorepo, model: Model, database: str, objects: Path
) -> None:
    (model.path / "config.yaml").write_text("promotion: {metric: loss}\n")
    made = repo.make(model, "train", "PAYLOAD=" + json.dumps({"params": {"x": 1.5}}), **WAIT).succeeded()
    assert "track-sync" not in made.err
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("select name, status from runs")
        (run,) = (model.path.parent / "runs").iterdir()
        assert cursor.fetchall() == [(f"{run.name.rpartition('-')[2]} {model.name}", "FINISHED")]
        cursor.execute("select alias, version from registered_model_aliases")
        assert cursor.fetchall() == [("champion", 1)]
    stored = {path.name: path.read_bytes() for path in (objects / BUCKET / "runs").rglob("*") if path.is_file()}
    assert stored[f"{model.name}.pkl"] == model.binary.read_bytes()
    assert {"report.html", "log.txt", "MLmodel"} <= stored.keys()
    assert {path.name for path in (repo.path / "mlruns").iterdir()} == {"server.json", "server.log"}


def test_a_version_comes_from_the_store(server: Tracking, repo: Monorepo, model: Model) -> None:
    repo.make(model, "train", "PAYLOAD=" + json.dumps({"params": {"x": 3.0}}), **WAIT).succeeded()
    model.binary.write_bytes(b"what lies in models/ is not served")
    with repo.serving(model, VERSION="1", **WAIT) as port:
        status, text = ask(port, f"{model.name}/predict", b'{"payload": {"instances": [[1, 2]]}}')
    assert (status, json.loads(text)["payload"]["predictions"]) == (200, [9.0])


def test_no_password_is_shown(server: Tracking, repo: Monorepo) -> None:
    kept = [path for path in (repo.path / "mlruns").rglob("*") if path.is_file()]
    assert all(PASSWORD not in path.read_text() for path in kept)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if PASSWORD in line]


def test_a_server_that_asks_for_a_password(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    (model.path / "config.yaml").write_text("promotion: {metric: loss}\n")
    arguments = ("train", "PAYLOAD=" + json.dumps({"params": {"x": 1.5}}))
    with mlflow_with_users(tmp_path) as url:
        refused = repo.make(model, *arguments, TRACKING_URI=url, **WAIT).succeeded()
        assert "warning: " in refused.err
        assert "Traceback" not in refused.err
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
        in_url = {"TRACKING_URI": url.replace("://", f"://admin:{PASSWORD}@")}
        made = repo.make(model, *arguments, **in_url, **WAIT).succeeded()
        assert f"Tracked: {url}/" in made.err
        synced = repo.make(None, "track-sync", TRACKING_URI=url, **login, **WAIT).succeeded()
        assert f"Uploaded 1 of 2 runs to {url}; 1 were there" in synced.err
    written = [path.read_bytes() for path in (model.path.parent / "runs").rglob("*") if path.is_file()]
    assert all(PASSWORD not in text for text in (refused.err, made.err, made.out))
    assert all(PASSWORD.encode() not in content for content in written)
