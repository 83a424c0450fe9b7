"""A token in an address is seen nowhere while it is used, and nothing is left when a fetch is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import until

from retrain.fetched import fetched
from retrain.git_servers import GitServer
from trainyard.host.support.reporter import Recording

CANARY = "canary4c7e12"
FETCH = "import pathlib, sys\nfrom retrain.fetched import fetched\nfetched(sys.argv[1], pathlib.Path(sys.argv[2]))\n"


def processes(kind: str) -> dict[int, bytes]:
    """Of every process of this machine its command line or its environment."""
    found = {}
    for path in Path("/proc").glob(f"[0-9]*/{kind}"):
        try:
            found[int(path.parent.name)] = path.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
    return found


def assert_not_in_files(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path


def test_a_token_is_seen_nowhere(server: GitServer, tmp_path: Path) -> None:
    server.new().commit({"a": "1"})
    server.login, server.free = f"x-access-token:{CANARY}", threading.Event()
    reporter = Recording()
    url = f"http://{CANARY}@{server.host}/repo.git"
    with ThreadPoolExecutor(1) as pool:
        try:
            going_on = pool.submit(fetched, url, tmp_path / "new", reporter=reporter)
            until(server.asked.is_set, 30)
            lines, environs = processes("cmdline"), processes("environ")
            assert any(b"git-remote-http" in line and server.host.encode() in line for line in lines.values())
            assert not [line for line in (*lines.values(), *environs.values()) if CANARY.encode() in line]
            assert_not_in_files(tmp_path / "new")
        finally:
            server.free.set()
        going_on.result(60)
    assert server.logins
    assert_not_in_files(tmp_path / "new")
    assert not [text for text in reporter.noted() if CANARY in text]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_fetch_that_is_ended(server: GitServer, tmp_path: Path, number: signal.Signals) -> None:
    """Its git ends with it. What is half-fetched is removed, but for SIGKILL: that is its caller's."""
    server.new().commit({"a": "1"})
    server.free = threading.Event()
    folder = tmp_path / "new"
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, f"{server.url}/repo.git", folder], stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    try:
        until(server.asked.is_set, 30)
        assert folder.exists()
        process.send_signal(number)
        process.communicate(timeout=30)
        until(lambda: not [pid for pid, line in processes("cmdline").items() if server.host.encode() in line], 10)
    finally:
        process.kill()
        server.free.set()
    assert process.returncode == {signal.SIGTERM: 143}.get(number, -number)
    assert folder.exists() == (number == signal.SIGKILL)
