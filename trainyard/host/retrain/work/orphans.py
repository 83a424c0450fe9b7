"""Ends what a job's process has left in its process group when it alone was killed, as by the kernel's OOM killer."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from trainyard.host.support.processes import started_at


def end_orphans(leader: int) -> None:
    """Kill the group that the process ``leader`` led, where that process is gone. A group keeps the id of its leader
    from being given to another one, so what is found is what that one has left."""
    if leader <= 1 or leader == os.getpgrp() or started_at(leader):
        return
    if any(_group_of(path) == leader for path in Path("/proc").glob("[0-9]*/stat")):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def _group_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[2])
    except (OSError, ValueError, IndexError):  # it has ended meanwhile
        return 0
