"""Fetches files of a store into the cache, several at once; large ones in parts, of which none is fetched twice."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.content_files import ContentFiles, write_all
from trainyard.host.data.index import Index
from trainyard.host.data.parts import Parts
from trainyard.host.data.schedule import Schedule, Unit
from trainyard.host.data.store import Changed, Item, Store, StoreError
from trainyard.settings.data import DataSettings

_NOTED = 0.5  # seconds between two times that the index is written
_GIVEN_UP = 5  # files in a row that a store did not give: the others are not asked for
_PAUSES = (0.2, 5.0)  # seconds before the first try again, and at most
STOPPED = "stopped"
_LOOK = 0.2  # seconds between two looks at a Ctrl-C


@dataclass
class Progress:
    """How far a fetch is; any thread may count."""

    files: int
    size: int  # bytes
    files_done: int = 0
    size_done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __str__(self) -> str:
        return f"{self.files:,} file{'s' if self.files > 1 else ''}, {self.size / 1e6:,.1f} MB"

    def so_far(self, seconds: float) -> str:
        """How much of it, in how many seconds."""
        rate = self.size_done / 1e6 / max(seconds, 0.1)
        size = f"{self.size_done / 1e6:,.1f} of {self.size / 1e6:,.1f} MB, {rate:,.1f} MB/s"
        return f"{self.files_done:,} of {self.files:,} file{'' if self.files == 1 else 's'}, {size}"

    def count(self, size: int, files: int = 0) -> None:
        with self.lock:
            self.size_done += size
            self.files_done += files


@dataclass
class Fetch:
    """One fetch: ``carry_out`` it once."""

    store: Store
    url: str
    items: Sequence[Item]
    contents: ContentFiles
    index: Index
    parts_folder: Path
    settings: DataSettings
    progress: Progress

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._schedule = Schedule(self.items, self._parts_of, self._stop)
        self._found: list[tuple[Item, str]] = []
        self._in_index = 0
        self._noted = 0.0
        self._errors: list[Exception] = []
        self._failed_paths: set[str] = set()
        self._in_a_row = 0

    def carry_out(self, on_progress: Callable[[], None]) -> list[tuple[Item, str]]:
        """Fetch all of them; each with its sha256. What is complete stays, whatever comes later.

        Raises:
            TrainyardError: a file could not be fetched; those that could are in the cache.
        """
        workers = [threading.Thread(target=self._work) for _ in range(max(1, self.settings.data_jobs))]
        for worker in workers:
            worker.start()
        try:
            while any(worker.is_alive() for worker in workers):
                workers[0].join(_LOOK) if workers[0].is_alive() else time.sleep(_LOOK / 4)
                self._note()
                on_progress()
        finally:
            self._stop.set()
            for worker in workers:  # each ends at the next piece, or when its store has been silent for too long
                worker.join()
            self._note(last=True)
        if self._errors:
            raise self._explained()
        return self._found

    def _parts_of(self, item: Item) -> Parts:
        parts = Parts(self.parts_folder, self.url, item)
        self.progress.count(parts.done_size)
        return parts

    def _work(self) -> None:
        unit = None
        while not self._stop.is_set():
            try:
                unit = self._schedule.next(unit)
                if unit is None:
                    return
                self._with_patience(unit)
            except Exception as error:  # noqa: BLE001 -- raised by the thread that waits for this one
                self._failed(error, unit.item.path if unit else "")
            else:
                self._in_a_row = 0

    def _failed(self, error: Exception, path: str) -> None:
        with self._lock:
            self._errors.append(error)
            if str(error) != STOPPED:
                self._failed_paths.add(path)
            self._in_a_row += 1
            if isinstance(error, Changed) or not isinstance(error, StoreError) or self._in_a_row >= _GIVEN_UP:
                self._stop.set()

    def _with_patience(self, unit: Unit) -> None:
        """A store that loses connections is asked again, a few times, each time after a longer pause."""
        pause = _PAUSES[0]
        for tried in range(self.settings.data_retries + 1):
            try:
                if unit.parts:
                    self._fetch_part(unit.item, unit.parts, unit.offset)
                else:
                    self._fetch(unit.item)
                return
            except StoreError as error:
                if not error.passing or tried == self.settings.data_retries or self._stop.wait(pause):
                    raise
                pause = min(2 * pause, _PAUSES[1])

    def _fetch(self, item: Item) -> None:
        digest, size = hashlib.sha256(), 0
        with self.contents.writing() as path:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                for piece in self.store.read(item):
                    self._check_stop()
                    digest.update(piece)
                    size += len(piece)
                    write_all(descriptor, piece)
            finally:
                os.close(descriptor)
            _check_size(item, size, item.size)
            self.contents.keep(path, digest.hexdigest())
        self.progress.count(size, files=1)
        self._done(item, digest.hexdigest())

    def _fetch_part(self, item: Item, parts: Parts, offset: int | None) -> None:
        if offset is not None:
            size, length = 0, parts.length(offset)
            try:
                with parts.writing(offset) as write:
                    for piece in self.store.read(item, offset, length):
                        self._check_stop()
                        write(piece[: length - size])
                        size += len(piece)
                        self.progress.count(len(piece))
                    _check_size(item, size, length)
            except BaseException:
                self.progress.count(-size)
                raise
        if offset is None or parts.is_complete(offset):
            sha256 = parts.keep(self.contents)
            self.progress.count(0, files=1)
            self._done(item, sha256)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StoreError(STOPPED)

    def _done(self, item: Item, sha256: str) -> None:
        with self._lock:
            self._found.append((item, sha256))

    def _note(self, *, last: bool = False) -> None:
        """Write down what is complete, so that it is not fetched again after a kill."""
        now = time.monotonic()
        if not last and now - self._noted < _NOTED:
            return
        self._noted = now
        with self._lock:
            found = self._found[self._in_index :]
            self._in_index = len(self._found)
        if found:
            try:
                self.index.add(self.url, found)
            except sqlite3.Error as error:
                self._errors.append(OSError(errno.EIO, str(error), str(self.contents.folder.parent)))
                self._stop.set()

    def _explained(self) -> TrainyardError:
        """One line for all: the first reason, and how many more there were."""
        first = next((error for error in self._errors if str(error) != STOPPED), self._errors[0])
        others = len(self._failed_paths) - 1
        more = f" ({others} more file{'s' if others > 1 else ''} likewise)" if others > 0 else ""
        if isinstance(first, OSError):
            where = first.filename or self.contents.folder
            return TrainyardError(
                f"{where}: {first.strerror}", "make room, or set DATA_CACHE to another folder; what is fetched stays",
                EXIT_FAILED,
            )  # fmt: skip
        if isinstance(first, StoreError):
            return type(first)(f"{first.message}{more}", first.hint)
        raise first  # a bug, or an error that is one line already


def _check_size(item: Item, got: int, wanted: int) -> None:
    if got != wanted:
        raise StoreError(
            f"{item.path}: the store gave {got:,} bytes where it had said {wanted:,}",
            "check the store, or the proxy before it", passing=True,
        )  # fmt: skip
