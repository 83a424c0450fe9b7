"""Puts files into a store: what is there stays, and a folder that is half there is never taken for a dataset."""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from trainyard.contract.files import CHUNK, dataset_files, open_regular, sha256_of
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.resolving import PUSHING, problem_of
from trainyard.host.data.store import Item, Store, joined
from trainyard.host.support.reporter import Reporter
from trainyard.settings.data import DataSettings

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_MOST_NAMES = 5  # that a message lists


@dataclass(frozen=True)
class Push:
    """What is to be put where. ``files``: the path in the store of each."""

    store: Store
    name: str  # of the target, for messages
    folder: str  # in the store; empty for a single file
    files: dict[str, Path]


def plan(source: Path, store: Store, name: str, target: str) -> Push:
    """A file goes to the path ``target``, or into it where that ends with a slash; a folder's files go below it.

    Raises:
        TrainyardError: there is no such file or folder, or it cannot be read.
    """
    if source.is_dir():
        folder = target.strip("/")
        files = {joined(folder, path.relative_to(source).as_posix()): path for path in dataset_files(source)}
        for path, file in files.items():
            if problem := problem_of(path):
                raise TrainyardError(f"{str(file)!r}: {problem}", "rename it")
        return Push(store, name, folder, files)
    if not source.is_file():
        raise TrainyardError(f"{source}: no such file or folder", "say FROM=<file or folder>")
    path = joined(target, source.name) if target.endswith("/") or not target else target.strip("/")
    return Push(store, name, "", {path: source})


def push(what: Push, settings: DataSettings, reporter: Reporter, *, force: bool) -> int:
    """Put the files there; how many were not there before. It can be called again where it was interrupted.

    Raises:
        TrainyardError: something else is there of one of the names, and ``force`` is not given: nothing was written; or
            the store did not take all of it.
    """
    stop = threading.Event()
    with _pool(settings, stop) as pool:
        found = dict(zip(what.files, pool.map(what.store.find, what.files), strict=True))
        there = {path: item for path, item in found.items() if item}
        same = pool.map(lambda path: _is_same(what.store, there[path], what.files[path]), there)
        equal = {path for path, is_same in zip(there, same, strict=True) if is_same}
        if (other := sorted(there.keys() - equal)) and not force:
            shown = ", ".join(other[:_MOST_NAMES]) + (" ..." if len(other) > _MOST_NAMES else "")
            raise TrainyardError(
                f"{what.name} has other content there already: {shown}",
                "push under a new name, as with a number or a date in it; FORCE=1 overwrites",
            )
        missing = {path: source for path, source in what.files.items() if path not in equal}
        mark = joined(what.folder, PUSHING)
        if missing and what.folder:
            _put_mark(what.store, mark)
        _put(pool, what, missing, reporter, stop)
        if what.folder:
            what.store.remove(mark)
    return len(missing)


def _put(pool: ThreadPoolExecutor, what: Push, missing: dict[str, Path], reporter: Reporter, stop: Event) -> None:
    errors: list[Exception] = []
    size = sum(path.stat().st_size for path in missing.values())

    def check() -> None:
        if stop.is_set():
            raise TrainyardError("stopped")

    def put(path: str) -> None:
        try:
            what.store.write(path, missing[path], check)
        except (TrainyardError, OSError) as error:
            errors.append(error)

    if missing:
        reporter.step(
            f"Pushing {what.name}: {len(missing):,} file{'s' if len(missing) > 1 else ''}, {size / 1e6:,.1f} MB"
        )
    with reporter.progress() as show:
        for done, _ in enumerate(pool.map(put, missing), start=1):
            show(f"Pushing {what.name}: {done:,} of {len(missing):,} files")
    if errors:
        more = f" ({len(errors) - 1} more files likewise)" if len(errors) > 1 else ""
        reason = errors[0].message if isinstance(errors[0], TrainyardError) else str(errors[0])
        raise TrainyardError(f"{reason}{more}", "push again: what is there already is not sent again", EXIT_FAILED)


def _put_mark(store: Store, path: str) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("`make data-push` has not ended yet; call it again where it was interrupted.\n")
        file.flush()
        store.write(path, Path(file.name))


def _is_same(store: Store, item: Item, path: Path) -> bool:
    """By the MD5 that a store has for its version, else by content."""
    if item.size != path.stat().st_size:
        return False
    known = _MD5.fullmatch(item.version)
    if known and _md5(path) == known[1]:
        return True
    theirs = hashlib.sha256()
    for piece in store.read(item):
        theirs.update(piece)
    return theirs.hexdigest() == sha256_of(path)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open_regular(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _pool(settings: DataSettings, stop: Event) -> Iterator[ThreadPoolExecutor]:
    """Ctrl-C ends what is being sent at its next piece; what is half there is not kept by the store."""
    pool = ThreadPoolExecutor(max(1, settings.data_jobs))
    try:
        yield pool
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
