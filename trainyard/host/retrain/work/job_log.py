"""The log of a job, and of the service, on a disk that is full: lines are lost, and nothing else."""

from __future__ import annotations

import io
import sys


class _Lossy(io.FileIO):
    def write(self, content: object) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type] # what a BufferedWriter gives
        except OSError:
            return memoryview(content).nbytes  # type: ignore[arg-type]


def lose_lines_where_the_disk_is_full() -> None:
    """Of this process's output: a job whose log cannot be written goes on, and has its state and reason."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = io.BufferedWriter(_Lossy(number, "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(stream, "utf-8", "backslashreplace", line_buffering=True))
