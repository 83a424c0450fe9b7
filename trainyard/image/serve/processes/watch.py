"""Notices that files below ``models/`` have changed, and waits until those of one model have stopped changing."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path

from trainyard.contract.model_files import file_path
from trainyard.image.serve.prediction.file_owners import owners
from trainyard.image.serve.prediction.opened_models import models_by_file

WATCH_SECONDS = 0.5  # between two looks
MOST_OF_THE_TIME = 0.02  # of which a look may take: a folder of a million files is looked at less often

Signature = dict[str, tuple[int, int, int]]  # name -> inode, size, time of change in ns


class Watch:
    """Looks at one folder. A change is reported once all files of its model are as they were at the look before.

    Of folders in it, the files are looked at that a record names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = signature(folder)
        self._known = dict(self._seen)
        self._next = time.monotonic() + WATCH_SECONDS

    def changed(self, now: float) -> set[str]:
        """The names that were added, removed or replaced since they were last reported, and do not change any more."""
        if now < self._next:
            return set()
        found = signature(self._folder)
        took = time.monotonic() - now
        self._next = now + max(WATCH_SECONDS, took / MOST_OF_THE_TIME)
        moving, new = _differing(found, self._seen), _differing(found, self._known)
        model_of = models_by_file(moving | new, self._folder)
        changing = {model_of[name] for name in moving}
        self._seen = found
        settled = {name for name in new if model_of[name] not in changing}
        for name in settled:
            if name in found:
                self._known[name] = found[name]
            else:
                del self._known[name]
        return settled


def _differing(one: Signature, other: Signature) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def signature(folder: Path) -> Signature:
    """What tells the regular files of ``folder`` from what they were; empty where there is no folder.

    The files are those right in it, and those elsewhere below it that a record names.
    """
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
        for name, model_name in owners(folder).items():
            if name not in found and (there := _status(file_path(folder, model_name, name))):
                found[name] = (there.st_ino, there.st_size, there.st_mtime_ns)
    except OSError:
        return {}
    return found


def _status(path: Path) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return path.stat()
    return None
