"""LOAD_TIMEOUT, as far as Python can interrupt what hangs: the route alone fails, and models that are loaded stay.

Where a library does not come back to Python, the supervisor ends the process, and the next one leaves the route out.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from trainyard.errors import TrainyardError

LOAD_GRACE = 5.0  # seconds beyond LOAD_TIMEOUT, before a process is ended that could not be interrupted
AGAIN_SECONDS = 1.0  # between two interruptions, of code that takes the first for any error and tries again


class LoadingTooLong(TrainyardError):
    """Raised in the code that is being imported or predicts its sample."""


@contextlib.contextmanager
def load_limit(seconds: int) -> Iterator[None]:
    """Interrupt what takes longer; in the main thread, which is where models are loaded."""

    def ring(_number: int, _frame: Any) -> None:
        raise LoadingTooLong(took_too_long(seconds))

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if signal.getsignal(signal.SIGALRM) is ring:
            signal.signal(signal.SIGALRM, before)


def took_too_long(seconds: int) -> str:
    """Why a route is not ready."""
    return f"loading took longer than LOAD_TIMEOUT={seconds} s"
