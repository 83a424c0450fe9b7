"""Runs the commands of a journey, and sees from outside which of their seconds went to packages."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bench.serving.processes import DidNotStart, family, running

PERIOD = 0.02  # seconds between two looks at the processes
# Installers, and what compiles and trims what they have installed (pip compiles by itself).
INSTALLERS = {"uv", "pip", "pip3", "ensurepip", "venv", "prepare.py"}
SHORT = 3  # words of a command line that are kept


class Stopped(Exception):
    """A journey cannot go on; why, in one line."""


@dataclass
class Step:
    """A command: seconds in all, those in which an installer ran, and processor seconds; seconds by what ran, for a
    closer look."""

    name: str
    seconds: float
    packages: float
    processor: float = 0.0
    output: str = ""
    by_command: dict[str, float] = field(default_factory=dict)


class Watch(Thread):
    """Looks at a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.packages = 0.0
        self.by_command: Counter[str] = Counter()
        self._end = Event()

    def run(self) -> None:
        """Each look counts for the time since the one before."""
        before = time.perf_counter()
        while not self._end.wait(PERIOD):
            lines = [line for pid in family(self.pid) if (line := command_line(pid))]
            now = time.perf_counter()
            if any(installs(line) for line in lines):
                self.packages += now - before
            if lines:
                self.by_command[named(lines[-1])] += now - before
            before = now

    def stop(self) -> None:
        self._end.set()
        self.join()


def command_line(pid: int) -> list[str]:
    """The words; none where the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def installs(line: list[str]) -> bool:
    """Whether that is an installer: the program, the script that Python runs, or its module."""
    return bool(INSTALLERS & {Path(word).name for word in line[:SHORT]})


def named(line: list[str]) -> str:
    """A command line in a few words; of Python, from the script or module on."""
    words = [Path(word).name for word in line]
    if words[0].startswith("python") and "-m" in words:
        words = words[words.index("-m") + 1 :]
    return " ".join(words[:SHORT])[:60]


@contextmanager
def watched(pid: int) -> Iterator[Watch]:
    watch = Watch(pid)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def do(name: str, argv: list[str], cwd: Path, env: dict[str, str]) -> Step:
    """Run a command to its end.

    Raises:
        Stopped: it failed.
    """
    # To files: what a command leaves running would hold a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as error:
            raise Stopped(f"{name}: {argv[0]}: {error.strerror}") from None
        with watched(process.pid) as watch:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = status
        printed, complaints = (_content(file) for file in (out, err))
    if status:
        raise Stopped(f"{name}: {_reason(complaints or printed)}")
    return Step(
        name, seconds, watch.packages, used.ru_utime + used.ru_stime, printed, dict(watch.by_command.most_common())
    )


def _reason(text: str) -> str:
    """The line that says error, or the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "no message")


def _content(file: Any) -> str:
    file.seek(0)
    return bytes(file.read()).decode(errors="replace")


@contextmanager
def served(name: str, argv: list[str], cwd: Path, env: dict[str, str], url: str, body: bytes) -> Iterator[Step]:
    """A server that stays in the foreground, from its start to its first good answer.

    Raises:
        Stopped: it gave none.
    """
    try:
        with running(argv, env, cwd, url, body) as process:
            yield Step(name, process.cold_start, 0.0, process.processor_seconds())
    except DidNotStart as error:
        raise Stopped(f"{name}: {_reason(str(error))}") from None


def post(name: str, url: str, body: bytes, expected: str) -> Step:
    """One request.

    Raises:
        OSError: no answer, or an error.
        Stopped: an answer without the prediction that is ``expected``.
    """
    started = time.perf_counter()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 -- our own URL
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        content = answer.read().decode()
    if expected not in content:
        raise Stopped(f"{name}: {content[:200]}")
    return Step(name, time.perf_counter() - started, 0.0)


def environment(*paths: Path, **more: str) -> dict[str, str]:
    """Of a user's shell: nothing of this make or this virtual environment, and ``paths`` first."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MAKE", "MFLAGS", "TRAINYARD", "PYTHON", "VIRTUAL_ENV"))
    }
    return inherited | {"PATH": os.pathsep.join([*map(str, paths), os.environ["PATH"]])} | more
