"""Ending processes, and saying how they ended."""

from __future__ import annotations

import os
import signal

from trainyard.serve.shared.board import PID
from trainyard.serve.shared.common import Common


def any_child() -> bool:
    """Whether any child is left; those that have ended are reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def pids(common: Common) -> list[int]:
    """Of all processes but this one."""
    return [row.cells[PID] for row in common.board.rows() if row.cells[PID] > 0 and row.cells[PID] != os.getpid()]


def kill(pid: int, number: int) -> None:
    """Send a signal to a child."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself; it is reaped as any


def how(code: int) -> str:
    """``SIGKILL``, ``signal 35``, ``exit status 1``; ``code`` is negative for a signal."""
    if code >= 0:
        return f"exit status {code}"
    return signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else f"signal {-code}"


def how_loading(code: int) -> str:
    """Why a route is refused whose loading was the last thing that its process did."""
    return f"loading it ended the process ({how(code)})"
