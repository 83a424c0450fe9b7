"""Notices that files below ``models/`` have changed, and waits until they have stopped changing."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

WATCH_SECONDS = 0.5  # between two looks
MOST_OF_THE_TIME = 0.02  # of which a look may take: a folder of a million files is looked at less often

Signature = dict[str, tuple[int, int, int]]  # name -> inode, size, time of change in ns


class Watch:
    """Looks at one folder. A change is told once it has lasted from one look to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = self._seen = signature(folder)
        self._next = time.monotonic() + WATCH_SECONDS

    def changed(self, now: float) -> set[str]:
        """The names that were added, removed or replaced since the last answer; empty while they still change."""
        if now < self._next:
            return set()
        found = signature(self._folder)
        took = time.monotonic() - now
        self._next = now + max(WATCH_SECONDS, took / MOST_OF_THE_TIME)
        settled, self._seen = found == self._seen, found
        if not settled or found == self._known:
            return set()
        names = {name for name in found.keys() | self._known.keys() if found.get(name) != self._known.get(name)}
        self._known = found
        return names


def signature(folder: Path) -> Signature:
    """What tells the regular files of ``folder`` from what they were; empty where there is no folder."""
    found: Signature = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError:  # removed meanwhile, or a link to nothing
                    continue
                if stat.S_ISREG(status.st_mode):
                    found[entry.name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError:
        return {}
    return found
