"""A storage that outlasts containers, where trainings on a compute have one: ``storage/`` in the folder of the sources.

data/SHA256                 files that trainings read, by content
tasks/TASK/checkpoints/     kept from try to try
tasks/TASK/TRY/             data/ models/ run/ runs/ as the container of that try has them, and
    output                  what it has said
    done                    it has ended by itself, with this status
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from trainyard.contract.hosted import CHUNK, STORAGE
from trainyard.contract.run_folder import METRICS, MOUNT
from trainyard.errors import EXIT_FAILED, TrainyardError

_DATA, _TASKS, _CHECKPOINTS, _OUTPUT, _DONE = "data", "tasks", "checkpoints", "output", "done"
_REMOVALS = 20  # a container on a node that is lost may write there meanwhile
_PAUSE = 0.5  # seconds between them


class Storage:
    """That of the sources in ``sources``."""

    def __init__(self, sources: Path) -> None:
        self._data = sources / STORAGE / _DATA
        self._tasks = sources / STORAGE / _TASKS

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Which contents are not there; of the others it is written down that they were wanted now."""
        found = []
        for sha256 in wanted:
            try:
                os.utime(self._data / sha256)
            except FileNotFoundError:
                found.append(sha256)
        return found

    def drop_unread(self, days: int) -> int:
        """Remove contents that have not been wanted for so long; how many bytes they had."""
        freed, oldest = 0, time.time() - days * 86400
        for path in self._data.glob("*"):
            with contextlib.suppress(FileNotFoundError):  # somebody else tidies up, too
                found = path.stat()
                if found.st_mtime < oldest:
                    path.unlink()
                    freed += found.st_size
        return freed

    def holds(self, place: Path) -> bool:
        """Whether that is the place of a content."""
        return place.parent == self._data

    def put(self, place: Path, content: IO[bytes]) -> None:
        """A content is there whole, or not at all; nobody can change it.

        Raises:
            OSError: it cannot be written, or is another one.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        found = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self._data, prefix=".part-", delete=False) as part:
            try:
                while chunk := content.read(CHUNK):
                    found.update(chunk)
                    part.write(chunk)
                part.close()
                if found.hexdigest() != place.name:
                    raise OSError(f"{place.name}: it is not what was sent")
                Path(part.name).chmod(0o444)
                Path(part.name).rename(place)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    Path(part.name).unlink()

    def lay(self, task: str, one: str, places: Mapping[str, str]) -> None:
        """Put contents at their places in a try.

        Raises:
            OSError: one is not there, or there is no space.
        """
        for place, sha256 in places.items():
            target = self._tasks / task / one / place
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(self._data / sha256)
            except FileExistsError:
                continue
            except OSError:  # not every file system has such links
                shutil.copyfile(self._data / sha256, target)

    def begin(self, task: str, one: str) -> IO[bytes]:
        """Where a try writes what it says. One that has checkpoints goes on from what those before it have reported.

        Raises:
            TrainyardError: it may not write there.
        """
        folder = self._tasks / task / one
        try:
            folder.mkdir(parents=True, exist_ok=True)
            before = [path for path in folder.parent.glob(f"*/{MOUNT}/{METRICS}") if path.parts[-3] != one]
            if before and any((folder.parent / _CHECKPOINTS).glob("*")):
                lines, end, _ = max(before, key=lambda path: path.stat().st_mtime_ns).read_bytes().rpartition(b"\n")
                (folder / MOUNT).mkdir(exist_ok=True)
                (folder / MOUNT / METRICS).write_bytes(lines + end)
            return (folder / _OUTPUT).open("wb", buffering=0)
        except OSError as error:
            fix = "user 1001 has to be able to write to it"
            raise TrainyardError(f"the storage: {error.strerror} ({error.filename})", fix, EXIT_FAILED) from None

    def finish(self, task: str, one: str, status: int) -> None:
        """A try has ended by itself. A full disk: what it has said says so as well."""
        part = self._tasks / task / one / f".{_DONE}"
        with contextlib.suppress(OSError):
            part.write_text(f"{status}\n")
            part.rename(part.with_name(_DONE))

    def finished(self, task: str) -> Path | None:
        """The folder of the try that has ended first, by itself."""
        marks = list((self._tasks / task).glob(f"*/{_DONE}"))
        return min(marks, key=lambda mark: (mark.stat().st_mtime_ns, mark)).parent if marks else None

    def repeat(self, task: str) -> int | None:
        """Say again what the try has said that has ended by itself; its status, or None where there is none."""
        if found := self.finished(task):
            with (found / _OUTPUT).open("rb") as output:
                shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return int((found / _DONE).read_text())
        return None

    def written(self, task: str, one: str) -> Path:
        """The folder of that try; of the one that has ended by itself where that one has not."""
        folder = self._tasks / task / one
        return folder if one and (folder / _DONE).exists() else self.finished(task) or folder

    def remove(self, task: str) -> None:
        """All of a task.

        Raises:
            TrainyardError: somebody goes on writing there.
        """
        folder = self._tasks / task
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                return
            time.sleep(_PAUSE)
        raise TrainyardError(f"{folder} cannot be removed", "", EXIT_FAILED)
