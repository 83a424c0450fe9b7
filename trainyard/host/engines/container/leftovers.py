"""What builds that were killed have left: SIGKILL cannot be caught.

While a build has a container, and folders with its settings, there is a file that names them, locked by the build, and
then by what removes the container: to delete what was installed in it takes a second, for which nobody has to wait. The
kernel drops the lock with the process; so no process id, which may be another's by now, and no clock has to be
believed, and what other clones build on the same engine is not in here.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from trainyard.host.support.reporter import Reporter

PREFIX = "trainyard-build-"


def new_name() -> str:
    """For a container of a build."""
    return f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


@contextlib.contextmanager
def noted(folder: Path, name: str, *paths: Path, engine: str = "") -> Iterator[None]:
    """Note in ``folder`` that the folders ``paths`` are there while the block runs, and the container ``name`` of
    ``engine``, where there is one: that is removed once this process has ended, and the note stays where it cannot be.
    """
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
            if engine:
                # What is left of the build is not to wait for the disk.
                atexit.register(_remove_later, engine, name, note, os.dup(file.fileno()))
            else:
                note.unlink(missing_ok=True)


def _remove_later(engine: str, name: str, note: Path, lock: int) -> None:
    _run_on(f'{removal(engine)} && rm -f "$1"', name, str(note), lock=lock)


def remove_image_later(engine: str, image: str) -> None:
    """Remove an image, by its id, once this process has ended: nobody has to wait for it. It stays where somebody has
    given it another name, or runs it."""
    unnamed = f'[ "$({engine} image inspect --format "{{{{len .RepoTags}}}}" "$0")" = 0 ]'
    atexit.register(_run_on, f'{unnamed} && {engine} rmi "$0"', image)


def _run_on(script: str, *arguments: str, lock: int | None = None) -> None:
    """Run shell commands that outlive this process, and hold its lock."""
    subprocess.Popen(
        ["sh", "-c", script, *arguments], start_new_session=True, pass_fds=[lock] if lock is not None else [],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def removal(engine: str) -> str:
    """The shell commands that remove the container ``$0``."""
    # podman's rm waits ten seconds for a process that ignores signals, as the first of a container does.
    first = f'{engine} kill "$0"; ' if engine == "podman" else ""
    return f'{first}{engine} rm --force --volumes "$0"'


def remove_leftovers(folder: Path, remove_container: Callable[[str], bool], reporter: Reporter) -> None:
    """Remove what builds that are no more have noted in ``folder``; ``remove_container`` says whether there was one."""
    for note in sorted(folder.glob(f"{PREFIX}*")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), note.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if remove_container(note.name):
                reporter.step(f"Removed the container {note.name} of a build that was killed")
            for path in file.read().splitlines():
                shutil.rmtree(path, ignore_errors=True)
            note.unlink(missing_ok=True)
