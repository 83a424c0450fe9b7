"""What builds that were killed have left: SIGKILL cannot be caught.

While a build has a container, and folders with its settings, there is a file that names them, locked by the build. The
kernel drops the lock with the process; so no process id, which may be another's by now, and no clock has to be
believed, and what other clones build on the same engine is not in here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from trainyard import console

PREFIX = "trainyard-build-"


def new_name() -> str:
    """For a container of a build."""
    return f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


@contextlib.contextmanager
def noted(folder: Path, name: str, *paths: Path) -> Iterator[None]:
    """Note in ``folder`` that the container ``name`` and the folders ``paths`` are there while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / name
    with (folder / f".{name}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("".join(f"{path}\n" for path in paths))
        file.flush()
        Path(file.name).rename(note)  # where others look for it only now that it is locked
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def remove_leftovers(folder: Path, remove_container: Callable[[str], bool]) -> None:
    """Remove what builds that are no more have noted in ``folder``; ``remove_container`` says whether there was one."""
    for note in sorted(folder.glob(f"{PREFIX}*")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), note.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if remove_container(note.name):
                console.step(f"Removed the container {note.name} of a build that was killed")
            for path in file.read().splitlines():
                shutil.rmtree(path, ignore_errors=True)
            note.unlink(missing_ok=True)
