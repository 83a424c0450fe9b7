"""Processes of this machine, never confused with later ones of the same id."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

_NICE = 10  # about a tenth of the processor of one that does not give way


def started_at(pid: int) -> str:
    """When a process started, so that a reused process id is not taken for it; empty where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self").exists():
            return ""
        done = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return "" if done.stdout.startswith("Z") else done.stdout.strip()
    return "" if fields[0] == "Z" else fields[19]


def give_way(pid: int) -> None:
    """Lower the priority of a process that leads a session, and of all that it starts. Where the kernel groups
    processes by session (sched_autogroup, sched(7)), a process's own priority counts within its session alone."""
    with contextlib.suppress(OSError):  # it is gone, or its priority is lower already
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICE))
