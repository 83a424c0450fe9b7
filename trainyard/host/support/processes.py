"""Processes of this machine, never confused with later ones of the same id."""

from __future__ import annotations

import subprocess
from pathlib import Path


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
