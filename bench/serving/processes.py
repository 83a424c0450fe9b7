"""Starts a server, waits for its first good answer, measures its memory and processor time, and ends it with all its
children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds; what the kernel counts processor time in
START_SECONDS = 90.0
STOP_SECONDS = 10.0
POLL = 0.005


class DidNotStart(Exception):
    """A server that gave no good answer; the last lines of its log."""


class Running:
    """A server that answers. ``cold_start`` in seconds, from the start of its process to the first good answer."""

    def __init__(self, process: subprocess.Popen[bytes], cold_start: float, log: Path) -> None:
        self.process = process
        self.log = log
        self.cold_start = cold_start

    def memory(self) -> float:
        """MiB of the process and all its descendants; what they share is counted once (proportional set size)."""
        total = 0
        for pid in family(self.process.pid):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024

    def processor_seconds(self) -> float:
        """User and system time of the process and all its descendants since they started."""
        total = 0
        for pid in family(self.process.pid):
            with contextlib.suppress(OSError):
                # After the name, which may have blanks: utime and stime, then those of children that have ended.
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15]))
        return total * TICK


@contextlib.contextmanager
def running(argv: list[str], env: dict[str, str], folder: Path, url: str, body: bytes) -> Iterator[Running]:
    """The server, once it has answered ``body`` at ``url`` with 200.

    Raises:
        DidNotStart: it ended, or did not answer in time.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            argv, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait(process, url, body, started + START_SECONDS, log)
            yield Running(process, time.monotonic() - started, log)
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], url: str, body: bytes, deadline: float, log: Path) -> None:
    answer = "no answer"
    while time.monotonic() < deadline and process.poll() is None:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 -- our own URL
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            answer = f"{error.code} {error.read()[:500]!r}"
        except OSError:
            pass
        time.sleep(POLL)
    tail = log.read_text(errors="replace")[-1500:]
    raise DidNotStart(f"{answer}\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    started = family(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for pid in {process.pid, *started}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found
