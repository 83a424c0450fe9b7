"""A program in a process group of its own, whose output is reported line by line, and which never outlives its time."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.support.command import Limit
from trainyard.host.support.processes import give_way, started_at
from trainyard.host.support.reporter import Reporter

GRACE = 2.0  # seconds between SIGTERM and SIGKILL: a job that is cancelled is over within five
LONGEST = 1 << 16  # characters of a line that are reported at once: one without an end would fill the memory
_HEED = 1.0  # seconds until a signal is heard at the latest
_WAITING = 1000  # lines, before the program has to wait
KEPT = 3  # lines that say why it failed


@dataclass(frozen=True)
class Child:
    """``end_first`` is called before the program is ended: it ends what no signal reaches, as a container. ``secrets``
    are masked in the output."""

    argv: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    limit: Limit
    end_first: Callable[[], None]
    secrets: tuple[str, ...] = ()
    last: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))

    def run(self, given: str, pid_file: Path, reporter: Reporter) -> int:
        """Its exit status; ``given`` is its standard input.

        Raises:
            TrainyardError: it took longer than it may.
        """
        process = subprocess.Popen(
            self.argv, env=self.env, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        give_way(process.pid)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._end(process)

        timer = threading.Timer(self.limit.seconds or 10**8, expire)
        timer.daemon = True
        timer.start()
        try:
            write_whole(pid_file, f"{process.pid} {started_at(process.pid)}\n")
            self._talk(process, given, reporter)
            status = process.wait()
        finally:  # whatever raises here, as the signal that cancels a job, ends the program, too
            timer.cancel()
            if process.poll() is None:
                self._end(process)
            _signal(process.pid, signal.SIGKILL)  # what it has left behind
        if expired.is_set():
            raise TrainyardError(
                f"the project took longer than {self.limit.seconds} s and was stopped",
                f"set {self.limit.setting} to allow more seconds", EXIT_FAILED,
            )  # fmt: skip
        return status

    def _talk(self, process: subprocess.Popen[str], given: str, reporter: Reporter) -> None:
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(given)
        for text in _lines_of(process):
            line = text.rstrip("\r\n")
            for secret in self.secrets:
                line = line.replace(secret, "***")
            if line.strip():
                self.last.append(line.strip())
            reporter.line(line)

    def _end(self, process: subprocess.Popen[str]) -> None:
        self.end_first()
        _signal(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            _signal(process.pid, signal.SIGKILL)
            process.wait()


def _lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """What it prints. A thread reads: a signal that comes just before a read begins would be heard only after that."""
    said: queue.Queue[str] = queue.Queue(_WAITING)

    def listen() -> None:
        assert process.stdout
        try:
            while text := process.stdout.readline(LONGEST):
                said.put(text)
        finally:
            said.put("")

    threading.Thread(target=listen, name="output", daemon=True).start()
    while True:
        try:
            text = said.get(timeout=_HEED)
        except queue.Empty:
            continue
        if not text:
            return
        yield text


def end_left_behind(pid_file: Path) -> None:
    """End the group of a program whose caller was killed."""
    try:
        pid, _, started = pid_file.read_text().strip().partition(" ")
        if started and started_at(int(pid)) == started:
            _signal(int(pid), signal.SIGKILL)
    except (OSError, ValueError):  # it never began
        return


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
