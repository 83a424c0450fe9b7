"""Looks after how much disk a job takes: its checkout, with the runs in it, and what its containers write elsewhere."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from trainyard.host.operations.session import Session

_LOOK = 1.0  # seconds between two looks
_SHARE = 20  # and so many times as long as a look takes: large checkouts shall not keep a core busy
_BLOCK = 512  # bytes, of st_blocks
_MB = 1_000_000


@contextlib.contextmanager
def watched_disk(
    folder: Path, there: Callable[[], Session | None], most_mb: int, too_large: Callable[[str], None]
) -> Iterator[None]:
    """While the block runs, ``too_large`` is called with the reason at each look at which it takes more.

    Args:
        folder: the checkout, which may not be there yet.
        there: the session of the checkout, once that is complete.
        most_mb: what it may take; 0: any.
        too_large: is called from a thread.
    """
    over = threading.Event()

    def look() -> None:
        pause = _LOOK
        while not over.wait(pause):
            began = time.monotonic()
            session = there()
            taken = taken_by(folder) + (session.engine.runner.written() if session else 0)
            if taken > most_mb * _MB and not over.is_set():
                too_large(f"its files take {taken // _MB} MB, more than {most_mb}: RETRAIN_DISK_MB allows more")
            pause = max(_LOOK, _SHARE * (time.monotonic() - began))

    thread = threading.Thread(target=look, name="disk", daemon=True)
    if most_mb:
        thread.start()
    try:
        yield
    finally:
        over.set()


def taken_by(folder: Path) -> int:
    """The bytes on the disk that are in no other folder: data of the monorepo that is linked here takes none."""
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    names: Counter[tuple[int, int]] = Counter()
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # removed meanwhile
                found = os.lstat(os.path.join(parent, name))  # noqa: PTH118 -- many files: no object for each
                key = found.st_dev, found.st_ino
                names[key] += 1
                sizes[key] = found.st_nlink, found.st_blocks * _BLOCK
    return sum(size for key, (links, size) in sizes.items() if links <= names[key])
