"""One at a time: two builds of the same image, or of the same dependencies, wait for each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from trainyard import console
from trainyard.errors import TrainyardError

POLL = 0.1  # seconds between two tries


@contextlib.contextmanager
def locked(path: Path, what: str, seconds: int) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; the kernel drops it when the process dies.

    Raises:
        TrainyardError: somebody else has held it for ``seconds``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file.fileno(), path, what, seconds)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _acquire(descriptor: int, path: Path, what: str, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    waited = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waited:
                console.step(f"Waiting for another process ({path.read_text() or 'starting'}) that works on {what} ...")
                waited = True
            if time.monotonic() > deadline:
                raise TrainyardError(
                    f"{what}: another process has been at it for {seconds} s", "stop it, or raise BUILD_LOCK_TIMEOUT"
                ) from None
            time.sleep(POLL)
        else:
            return
