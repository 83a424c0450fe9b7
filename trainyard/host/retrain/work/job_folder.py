"""The folder of a job: ``.trainyard/retrain/<id>/``.

log         what it says
lock        held by the process that carries it out, whose id is in it; the kernel drops it when that dies
checkout/   the repository at the job's commit, while the job is not over
whole       there when the checkout is complete: where in it the monorepo is
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainyard.contract.files import write_whole

FOLDER = "retrain"  # below the state folder
_TRIES, _PAUSE = 10, 0.05  # to take a lock, and seconds between them


class TakenError(Exception):
    """Another process carries the job out."""


@dataclass(frozen=True)
class JobFolder:
    """Where a job's files are; ``state`` is the monorepo's state folder."""

    state: Path
    job_id: str

    @property
    def path(self) -> Path:
        return self.state / FOLDER / self.job_id

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def checkout(self) -> Path:
        return self.path / "checkout"

    def whole_checkout(self) -> Path | None:
        """Where the monorepo is in the checkout; None while that is not complete."""
        try:
            return self.checkout / self._whole.read_text()
        except FileNotFoundError:
            return None

    def note_whole(self, root: Path) -> None:
        """The checkout is complete: a process that begins the job again uses it, and finds the runs in it."""
        write_whole(self._whole, str(root.relative_to(self.checkout)))

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Be the process that carries it out; gives the id of the one that did before, 0 where there was none.

        Raises:
            TakenError: another one does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as file:
            _lock(file)
            file.seek(0)
            before = file.read()
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield int(before) if before.isdecimal() else 0

    def alive(self) -> bool:
        """Whether a process carries it out."""
        try:
            with self._lock.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to what it has started in its group; nothing where there is none."""
        with contextlib.suppress(OSError, ValueError):
            if self.alive():
                os.killpg(int(self._lock.read_text()), number)

    def remove_checkout(self) -> None:
        """Raises:
        OSError: something in it cannot be removed."""
        self._whole.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.checkout)

    def remove(self) -> None:
        """All of it, the log too."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _whole(self) -> Path:
        return self.path / "whole"

    @property
    def _lock(self) -> Path:
        return self.path / "lock"


def _lock(file: IO[str]) -> None:
    """Raises:
    TakenError: somebody holds it, and not only for the moment in which ``alive`` looks."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_PAUSE)
    raise TakenError
