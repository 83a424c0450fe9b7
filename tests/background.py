"""Programs that run in the background of a test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    with suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


# The kernel kills a program when the thread that has started it ends: so that is one that lasts as long as the tests.
STARTER = ThreadPoolExecutor(1)


class Daemon:
    """A program in a session of its own. The kernel kills it when the tests end, however they end."""

    def __init__(self, log: Path, command: list[str], environ: dict[str, str] | None = None) -> None:
        self._log = log
        self._command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._environ = os.environ | (environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process, "it was not started"
        return self._process.pid

    def start(self) -> None:
        assert not self._process, "it runs already"
        with self._log.open("ab") as log:
            starting = STARTER.submit(
                subprocess.Popen, self._command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            self._process = starting.result()

    def shown(self) -> str:
        """The end of its log."""
        return f"{' '.join(self._command)}\n{self._log.read_text(errors='replace')[-3000:]}"

    def kill(self) -> None:
        """With all that it has started in its session."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
            self._process = None
