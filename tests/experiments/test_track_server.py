"""make track: what keeps a server from starting is one line, and a server is not left behind."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from monorepo import Monorepo, ask, free_port, interrupt, is_healthy
from waiting import until

from experiments.tracking import WAIT

pytestmark = pytest.mark.slow  # the server takes its time to start


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    return Monorepo(tmp_path_factory.mktemp("repo"))


def test_a_port_in_use_is_one_line(repo: Monorepo) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        repo.make(None, "track", f"TRACK_PORT={port}").failed(f"port {port} is in use", f"TRACK_PORT={port + 1}")
    repo.make(None, "track", "TRACK_PORT=99999").failed("TRACK_PORT=99999: not a port")
    repo.make(None, "track", "BIND=203.0.113.1").failed("BIND=203.0.113.1 TRACK_PORT=5007")
    assert not (repo.path / "mlruns").exists()


@pytest.mark.parametrize(
    ("setting", "package"),
    [
        ("TRACK_DATABASE=mssql://me:hunter2@db/runs", "pyodbc"),
        ("TRACK_DATABASE=mysql://me:hunter2@db/runs", "mysqlclient"),
        ("TRACK_ARTIFACTS=gs://bucket", "google-cloud-storage"),
    ],
)
def test_a_driver_that_is_missing_is_named(repo: Monorepo, setting: str, package: str) -> None:
    output = repo.make(None, "track", setting).failed(f"needs {package}", "install it: .venv/bin/uv pip install")
    assert "hunter2" not in output


def test_a_database_that_is_none_is_one_line(repo: Monorepo) -> None:
    for url in ("mlflow.db", "nonsense://db/runs", "mysql+nosuchdriver://db/runs", "postgresql://db:port/runs"):
        repo.make(None, "track", f"TRACK_DATABASE={url}").failed(f"TRACK_DATABASE={url}: not the URL of a database")


def test_what_would_run_is_shown_without_a_password(repo: Monorepo) -> None:
    shown = repo.make(None, "-n", "track", "TRACK_DATABASE=sqlite://me:hunter2@db/runs").succeeded().out
    assert "mlflow server --host 127.0.0.1 --port 5007" in shown
    assert "hunter2" not in shown


def test_without_a_server_there_is_nothing_to_stop_or_to_sync_with(repo: Monorepo) -> None:
    assert "No tracking server of make track runs" in repo.make(None, "track-stop").succeeded().err
    repo.make(None, "track-sync").failed("there is no tracking server", "make track DETACH=1")


def test_a_train_function_that_tracks_itself_without_a_tracker(repo: Monorepo) -> None:
    model = repo.add_model("itself")
    (model.path / "config.yaml").write_text("tracking: own\n")
    model.replace("train.py", "import pickle", "import pickle\ntry:\n    import mlflow\nexcept ImportError:\n    pass")
    shown = repo.make(model, "-n", "train").succeeded()
    assert "itself/train.py:5 tracks by itself, and no tracker runs" in shown.err
    assert "make track DETACH=1 starts one" in shown.err
    shown = repo.make(model, "-n", "train", TRACKING_URI="http://me:hunter2@127.0.0.1:9").succeeded()
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9" in shown.out
    assert f"TRAINYARD_REGISTERED_AS={model.project}.{model.name}" in shown.out
    assert "hunter2" not in shown.out + shown.err
    (model.path / "config.yaml").write_text("tracking: mine\n")
    repo.make(model, "-n", "train").failed("config.yaml:1", "tracking")


def test_a_server_that_cannot_start_says_why_and_is_gone(repo: Monorepo) -> None:
    made = repo.make(
        None, "track", "DETACH=1", f"TRACK_PORT={free_port()}", "TRACK_DATABASE=sqlite:////dev/null/x.db", **WAIT
    )
    made.failed("the server died before it was ready")
    assert "/dev/null" in made.err
    assert not (repo.path / "mlruns/server.json").exists()


def test_a_server_that_is_too_slow_is_ended(repo: Monorepo) -> None:
    port = free_port()
    made = repo.make(None, "track", "DETACH=1", f"TRACK_PORT={port}", "READY_TIMEOUT=1")
    made.failed("the server was not ready in 1 s", "READY_TIMEOUT")
    assert not (repo.path / "mlruns/server.json").exists()
    assert not processes_with(f"--port {port}")


def test_without_a_tracker_mlflow_is_not_imported(repo: Monorepo) -> None:
    model = repo.add_model("untracked")
    (repo.path / "mlflow.py").write_text("raise ImportError('nobody may import this')")
    try:
        assert "MLflow" not in repo.make(model, "train").succeeded().err
        output = repo.make(model, "train", "TRACKING_URI=http://127.0.0.1:9").succeeded().err
        assert "tracking needs MLflow, which is not in .venv (nobody may import this)" in output
        assert output.count("make track-sync uploads the run") == 1
    finally:
        (repo.path / "mlflow.py").unlink()


def test_ctrl_c_ends_a_server_in_the_foreground(repo: Monorepo) -> None:
    port = free_port()
    process = repo.spawn(None, "track", f"TRACK_PORT={port}", **WAIT)
    until(lambda: is_healthy(port), 600)
    assert "MLflow" in ask(port, "")[1]
    time.sleep(1)
    output = interrupt(process)
    assert "Stopped the tracking server" in output
    assert "Traceback" not in output
    assert not processes_with(f"--port {port}")


def processes_with(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command and "mlflow" in command:
            found.append(command)
    return found
