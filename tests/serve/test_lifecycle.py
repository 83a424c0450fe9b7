"""Starting, refusing to start, and stopping."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import requests
from waiting import until

from trainyard.image.serve.__main__ import main

CASES = Path(__file__).parent / "cases"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(CASES / "basic", tmp_path / "action")
    return tmp_path / "action"


def test_sigterm_lets_a_slow_request_finish(start):
    daemon = start("basic", WORKERS="2")
    (daemon.folder / "started").unlink(missing_ok=True)
    answers = []
    client = threading.Thread(target=lambda: answers.append(daemon.post("slow", [[1.5]])))
    client.start()
    until((daemon.folder / "started").exists)
    assert daemon.stop() == 0
    client.join(10)
    assert answers[0].json() == {"payload": {"predictions": ["done"]}}
    with pytest.raises(requests.ConnectionError):
        daemon.post("sum")


@pytest.mark.slow
def test_sigterm_does_not_wait_for_idle_connections(start):
    daemon = start("basic", WORKERS="1", STOP_TIMEOUT="12")
    with requests.Session() as session:
        session.get(f"{daemon.url}/health", timeout=10)
        started = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - started < 4


@pytest.mark.slow
def test_ctrl_c_stops_at_once_without_a_traceback(start):
    daemon = start("basic", WORKERS="2")
    os.killpg(daemon.process.pid, signal.SIGINT)  # as a terminal does
    assert daemon.process.wait(5) == 0
    assert "Traceback" not in daemon.text().partition("Handling signal")[2]
    assert "Exception" not in daemon.text().partition("Handling signal")[2]


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(start):
    daemon = start("basic", WORKERS="1")
    first = daemon.post("pid").json()["payload"]["predictions"][0]
    os.kill(first, signal.SIGKILL)
    second = daemon.post("pid").json()["payload"]["predictions"][0]
    assert second != first


def test_the_log_has_no_complaint_of_gunicorn(start):
    daemon = start("historical", WORKERS="1", MODEL_NAME="m")
    assert daemon.stop() == 0
    assert not [line for line in daemon.text().splitlines() if "[ERROR]" in line or "[WARNING]" in line]
    starting, ready = daemon.text().split("ready: ", 1)
    assert "/price/predict" in starting
    assert "POST" not in starting  # nothing can be posted before
    assert ready.startswith("POST /price/predict")


def open_to_all(folder):
    """Let other users in: pytest's temporary folders are for root alone, however deep they lie."""
    for part in (folder, *folder.parents):
        if part.is_relative_to(tempfile.gettempdir()) and part != Path(tempfile.gettempdir()):
            part.chmod(0o755)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_an_arbitrary_uid_without_a_home_serves(tmp_path, start):
    home = tmp_path / "action"
    shutil.copytree(CASES / "basic", home)
    open_to_all(home)
    daemon = start(
        home, ("setpriv", "--reuid", "123456", "--regid", "0", "--clear-groups"), HOME="/nonexistent", WORKERS="2"
    )
    assert daemon.post("sum").status_code == 200
    assert not [line for line in daemon.text().splitlines() if "[ERROR]" in line and "route /" not in line]


def test_ctrl_c_while_it_is_imported_is_no_traceback(folder, tmp_path):
    elsewhere = tmp_path / "packages"
    elsewhere.mkdir()
    (elsewhere / "flask.py").write_text("import time; open('importing', 'w').close(); time.sleep(30)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "trainyard.image.serve"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PORT": "0", "PYTHONPATH": str(elsewhere)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until((folder / "importing").exists)
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=10)[1], process.returncode) == ("interrupted\n", 130)


def test_a_port_in_use_is_one_line_at_once(refused, folder):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        started = time.monotonic()
        status, stderr = refused(folder, PORT=str(port))
    assert status == 2
    assert stderr.count("\n") == 1
    assert f"port {port}" in stderr
    assert "in use" in stderr
    assert time.monotonic() - started < 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no such file"),
        ("ROUTES=a:b\n", ".s2i/environment:1"),
        ("TRAIN_MODULE=a\n", "ROUTES is missing"),
        ("# x\nROUTES\n", ".s2i/environment:2"),
    ],
)
def test_a_bad_environment_is_one_line(refused, folder, text, reason):
    environment = folder / ".s2i/environment"
    environment.unlink()
    if text is not None:
        environment.write_text(text)
    status, stderr = refused(folder)
    assert (status, stderr.count("\n")) == (2, 1)
    assert reason in stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "five"),
        ("PORT", "70000"),
        ("THREADS", "0"),
        ("LOG_LEVEL", "loud"),
        ("BIND", "203.0.113.7"),
        ("KEEP_ALIVE", "0"),
        ("BODY_TIMEOUT", "0"),
        ("HEAD_TIMEOUT", "0"),
        ("BUFFER_MB", "8"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(refused, folder, variable, value):
    status, stderr = refused(folder, **{variable: value})
    assert (status, stderr.count("\n")) == (2, 1)
    assert variable in stderr


def test_the_environment_file_can_be_named(folder, capsys):
    assert main([str(folder / "nothing")]) == 2
    assert str(folder / "nothing") in capsys.readouterr().err
