"""The cache's datasets: ``sets/<key>/data/`` as a training sees it, ``<key>.json`` says what is in there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainyard.contract.files import write_whole


@dataclass(frozen=True)
class File:
    """One file of a dataset in the cache."""

    place: str
    size: int
    sha256: str
    modified: int  # nanoseconds, as the file system says it


@dataclass(frozen=True)
class Sets:
    """A folder of datasets. Whoever uses one holds its lock, which the kernel drops when the process dies."""

    folder: Path

    def data(self, key: str) -> Path:
        return self.folder / key / "data"

    def hold(self, key: str) -> IO[str]:
        """For as long as the file is open nobody removes that dataset, whether it is there yet or not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._lock(key).open("a")
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock

    def files(self, key: str) -> list[File]:
        """The files of a dataset that was made; none of another."""
        try:
            return [File(*row) for row in json.loads(self._list(key).read_bytes())]
        except (OSError, ValueError, TypeError):
            return []

    def changed(self, key: str, files: Sequence[File]) -> list[File]:
        """Those that are not as they were made. By size and time: to read all would take as long as to fetch them."""
        data = str(self.data(key))
        return [file for file in files if not _is_as_made(f"{data}/{file.place}", file)]

    def others(self, key: str, files: Sequence[File]) -> list[str]:
        """What somebody has put into a dataset, as a training can that no container keeps from it."""
        data = str(self.data(key))
        known = {f"{data}/{file.place}" for file in files}
        found = (f"{folder}/{name}" for folder, _, names in os.walk(data) for name in names)
        return [path for path in found if path not in known]

    def write(self, key: str, files: Sequence[File]) -> None:
        """Say what is in there, last of all: from now on it is there.

        Raises:
            OSError: no space.
        """
        rows = [[file.place, file.size, file.sha256, file.modified] for file in files]
        write_whole(self._list(key), json.dumps(rows))

    def used_now(self, key: str) -> None:
        """Note that somebody uses it."""
        os.utime(self._list(key))

    def by_age(self) -> list[str]:
        """The keys of all, that of the one used longest ago first."""
        return [path.stem for path in sorted(self.folder.glob("*.json"), key=_modified)]

    def remove(self, key: str) -> None:
        """Remove a dataset, unless somebody holds it."""
        with self._lock(key).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._list(key).unlink(missing_ok=True)
            shutil.rmtree(self.folder / key, ignore_errors=True)

    def _list(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _lock(self, key: str) -> Path:
        return self.folder / f"{key}.lock"


def _is_as_made(path: str, file: File) -> bool:
    """A text, not a Path: ten thousand of those take a quarter of a second."""
    try:
        stat = os.stat(path, follow_symlinks=False)  # noqa: PTH116 -- as above
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (file.size, file.modified)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
