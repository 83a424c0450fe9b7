"""Starts real daemons on free ports."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests
from waiting import until

CASES = Path(__file__).parent / "cases"
ENVIRONMENT = {"PATH": os.environ["PATH"], "PORT": "0", "BIND": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}


class Daemon:
    """A running ``python -m trainyard.image.serve``; ``log`` is the file that its output goes to."""

    def __init__(self, folder: Path, prefix: tuple[str, ...] = (), **environ: str) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "trainyard.image.serve"],
                cwd=folder,
                env=ENVIRONMENT | environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = self._wait_for_url()

    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, pattern: str, seconds: float = 20) -> str:
        def look() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            found = re.search(pattern, self.text())
            assert found or not ended, f"{pattern!r} is not in the log:\n{self.text()}"
            return found

        return until(look, seconds, lambda: f"{pattern!r} in the log:\n{self.text()}")[0]

    def post(self, route: str, rows=((1, 2),), **options) -> requests.Response:
        options.setdefault("json", {"payload": {"instances": rows}})
        return requests.post(f"{self.url}/{route}", timeout=20, **options)

    def workers(self, *, parents: bool = False) -> list[int]:
        """The pids of the processes that answer requests; ``parents``: of those that these were forked from."""
        arbiters = _children(self.process.pid)
        return arbiters if parents else [pid for arbiter in arbiters for pid in _children(arbiter)]

    def all_workers(self, count: int) -> list[int]:
        """The pids of the workers once there are ``count``; a daemon answers before the last one is there."""
        until(lambda: len(self.workers()) == count, shown=self.workers)
        return self.workers()

    def family(self) -> list[int]:
        """The pids of all processes: the first one, those that fork workers, workers."""
        return [self.process.pid, *self.workers(parents=True), *self.workers()]

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def _wait_for_url(self) -> str:
        url = self.wait_for(r"http://127\.0\.0\.1:\d+")
        requests.get(f"{url}/health", timeout=60)  # answered once a worker is ready
        return url


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def end(process: subprocess.Popen) -> None:
    """Whatever a test left running."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
