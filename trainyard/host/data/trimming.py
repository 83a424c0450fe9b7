"""Brings the cache below its limit: what was used longest ago goes first, and never what somebody uses."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from trainyard.contract.files import size_of
from trainyard.host.data.content_files import ContentFiles
from trainyard.host.data.sets import Sets

_LOCK = "fetching.lock"
_ABANDONED = 7 * 86400  # seconds since anything was written to a file that was never complete


@contextlib.contextmanager
def fetching(folder: Path) -> Iterator[None]:
    """While the block runs, nobody removes files that no dataset has yet."""
    with (folder / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def trim(folder: Path, most: int) -> int:
    """Remove what is left of fetches that nobody goes on with; of the rest what is over ``most`` bytes, 0: any. How
    many bytes that were.

    Where somebody fetches just now, nothing is removed: whoever is last sees to it.
    """
    if not folder.is_dir():
        return 0
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        contents, sets = ContentFiles(folder / "contents"), Sets(folder / "sets")
        contents.remove_leftovers()
        parts = _parts(folder)
        over = contents.size() + sum(map(size_of, parts)) - most if most else 0
        freed = 0
        for path in parts:
            if over > freed or path.stat().st_mtime < time.time() - _ABANDONED:
                freed += size_of(path)
                shutil.rmtree(path, ignore_errors=True)
        freed += _remove_unused(contents, over - freed)
        for key in sets.by_age():
            if over <= freed:
                break
            sets.remove(key)
            freed += _remove_unused(contents, over - freed)
        return freed


def _parts(folder: Path) -> list[Path]:
    """Large files that are not complete, the oldest first."""
    return sorted((folder / "parts").glob("*"), key=lambda path: path.stat().st_mtime)


def _remove_unused(contents: ContentFiles, enough: int) -> int:
    """Remove files that no dataset has, until enough bytes are free; how many are."""
    freed = 0
    for path in contents.unused() if enough > 0 else ():
        if freed >= enough:
            break
        freed += path.stat().st_size
        path.unlink()
    return freed
