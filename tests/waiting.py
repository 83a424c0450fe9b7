"""The one way to wait for what another process or thread does: look again until it is so, for a time at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PAUSE = 0.02  # seconds
SHARE = 10  # and so many times as long as a look took: else what asks a server keeps it from what is waited for
LONGEST = 0.5


def until(happened: Callable[[], Found], seconds: float = 60, shown: Callable[[], object] = str) -> Found:
    """What ``happened`` returns once that is true. After ``seconds`` the test fails with what ``shown`` returns."""
    deadline = time.monotonic() + seconds
    began = time.monotonic()
    while not (found := happened()):
        now = time.monotonic()
        assert now < deadline, f"it has not happened within {seconds:g} s: {shown()}"
        time.sleep(max(PAUSE, min(LONGEST, SHARE * (now - began))))
        began = time.monotonic()
    return found
