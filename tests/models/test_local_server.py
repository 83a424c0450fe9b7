from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from waiting import until

MODULE = """
import sys
from common_utils.predicting import instances_of
from utils.local_server import assemble_server

def predict(msg):
    return {"predictions": [sum(row) for row in instances_of(msg)]}

if __name__ == "__main__":
    assemble_server(sys.argv[1], int(sys.argv[2]))
"""


def start(workdir: Path, python_path: str, routes: str, port: int) -> subprocess.Popen[str]:
    (workdir / "adder").mkdir(exist_ok=True)
    (workdir / "adder/predict.py").write_text(MODULE)
    return subprocess.Popen(
        [sys.executable, "-m", "adder.predict", routes, str(port)],
        cwd=workdir,
        env=os.environ | {"PYTHONPATH": python_path},
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(url: str) -> tuple[int, object] | None:
    with contextlib.suppress(requests.ConnectionError):
        response = requests.post(url, json={"payload": {"instances": [[1, 2], [3, 4]]}}, timeout=10)
        return response.status_code, response.json()
    return None


def test_a_predict_module_serves_itself(workdir: Path, python_path: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(workdir, python_path, "adder/predict:adder.predict:predict", port)
    try:
        answered = until(lambda: answer(f"http://127.0.0.1:{port}/adder/predict"), 30)
        assert answered == (200, {"payload": {"predictions": [3, 7]}})
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize(("routes", "says"), [("adder/predict", "route:module:function"), ("a:b:c", "cannot listen")])
def test_bad_routes_and_a_port_in_use_are_one_line(workdir: Path, python_path: str, routes: str, says: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        process = start(workdir, python_path, routes, held.getsockname()[1])
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert says in errors
    assert errors.count("\n") == 1
