"""Hands on what a container in the foreground says, as it says it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

Output = Callable[[bytes, bool], None]  # what was written, and whether on standard error
CHUNK = 1 << 16
FLUSH_SECONDS = 2.0  # for what a program wrote last, where something that it left behind keeps its output open


def attached(
    argv: Sequence[str],
    output: Output | None,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    apart: bool = False,
) -> Attached:
    """Start a program in the foreground; without ``output`` it has our own standard output. ``apart``: we write its
    standard input, and the terminal's Ctrl-C does not reach it."""
    pipe, stdin = subprocess.PIPE if output else None, subprocess.PIPE if apart else None
    process = subprocess.Popen(
        argv, env=env, cwd=cwd, stdin=stdin, stdout=pipe, stderr=pipe, start_new_session=apart
    )  # fmt: skip
    return Attached(process, output)


class Conversation:
    """A container that reads what we say to it; what it says goes to its plan's ``output``."""

    def __init__(self, program: Attached, stop: Callable[[], object]) -> None:
        self._program = program
        self._stop = stop

    def say(self, line: str) -> None:
        """Write a line to it; one that it is too dead to read is lost."""
        stdin = self._program.process.stdin
        with contextlib.suppress(BrokenPipeError, ValueError):
            stdin and stdin.write(f"{line}\n".encode()) and stdin.flush()

    def wait(self) -> int:
        """Until it has ended by itself; its exit status."""
        return self._program.wait()

    @property
    def lost(self) -> bool:
        """Whether it has ended because its machine, or the way there, was lost; known once ``wait`` has answered."""
        return False

    def close(self, seconds: float) -> None:
        """Let its standard input end, and end it where that does not within ``seconds``."""
        stdin = self._program.process.stdin
        with contextlib.suppress(BrokenPipeError):
            stdin and stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._program.process.wait(seconds)
        self._stop()
        self._program.wait()


class Attached:
    """A program whose output is handed on by threads."""

    def __init__(self, process: subprocess.Popen[bytes], output: Output | None) -> None:
        self.process = process
        self._threads = []
        for stream, is_error in ((process.stdout, False), (process.stderr, True)):
            if stream and output:
                thread = threading.Thread(target=_relay, args=(stream, is_error, output), daemon=True)
                thread.start()
                self._threads.append(thread)

    def wait(self) -> int:
        """Until it has ended and all its output is handed on; its exit status."""
        status = self.process.wait()
        for thread in self._threads:
            thread.join(FLUSH_SECONDS)
        return status


def _relay(stream: IO[bytes], is_error: bool, output: Output) -> None:
    while chunk := stream.read1(CHUNK):  # type: ignore[attr-defined] # of the BufferedReader that it is
        output(chunk, is_error)
