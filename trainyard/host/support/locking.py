"""One at a time: two that build, upload or start the same wait for each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.support.command import Limit
from trainyard.host.support.reporter import Reporter

POLL = 0.1  # seconds between two tries


@contextlib.contextmanager
def locked(path: Path, what: str, limit: Limit, reporter: Reporter) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; the kernel drops it when the process dies.

    Raises:
        TrainyardError: somebody else has held it for as long as ``limit`` says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file.fileno(), path, what, limit, reporter)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _acquire(descriptor: int, path: Path, what: str, limit: Limit, reporter: Reporter) -> None:
    deadline = time.monotonic() + limit.seconds
    waited = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waited:
                reporter.step(f"Waiting for another process ({_holder(path)}) that works on {what} ...")
                waited = True
            if time.monotonic() > deadline:
                raise TrainyardError(
                    f"{what}: another process ({_holder(path)}) did not end within {limit.seconds} s",
                    "wait for it or stop it" + (f"; {limit.setting} says how long to wait" if limit.setting else ""),
                ) from None
            time.sleep(POLL)
        else:
            return


def _holder(path: Path) -> str:
    return path.read_text() or "starting"
