"""Ending processes, and saying how they ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.daemon_context import DaemonContext

LEFTOVER_SECONDS = 1.0  # that a process gets to end which a predict function has started and nobody waits for


def ended() -> Iterator[tuple[int, int]]:
    """Reap the children that have ended: pid and exit status (negative: the signal) of each."""
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found[0], os.waitstatus_to_exitcode(found[1])
    except ChildProcessError:
        return


def end_children() -> None:
    """Ask what this process has started, or adopted, to end."""
    for pid in kernel.children():
        kill(pid, signal.SIGTERM)


def end_leftovers() -> None:
    """End every child that is left: by SIGTERM, then by SIGKILL; and their children, which this process adopts."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        signalled: set[int] = set()
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while time.monotonic() < deadline:
            for _ in ended():
                pass
            if not (left := set(kernel.children())):
                return
            for pid in left - signalled:
                kill(pid, number)
            signalled |= left
            time.sleep(0.01)


def pids(common: DaemonContext) -> list[int]:
    """Of all processes but this one."""
    return [row.pid for row in common.board.rows() if row.pid > 0 and row.pid != os.getpid()]


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
