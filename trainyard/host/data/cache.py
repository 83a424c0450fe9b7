"""The cache of what was fetched: files by content, and datasets, each a folder of such files that never changes.

objects/   files by their sha256            sets/<key>/data/   a dataset as a training sees it
parts/     large files on their way         sets/<key>.json    what is in there, written last of all
index.db   what was fetched from where      sets/<key>.lock    held by whoever uses it
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.fetching import Fetch, Progress
from trainyard.host.data.index import Index
from trainyard.host.data.objects import Objects
from trainyard.host.data.resolving import Resolved
from trainyard.host.data.store import Item, Store, joined
from trainyard.host.support.command import Limit
from trainyard.host.support.digests import digest_of
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter
from trainyard.settings.data import DataSettings

_LINE = 20  # seconds between two lines of progress in a log
_GB = 10**9


@dataclass(frozen=True)
class Part:
    """A dataset of a store. Its files lie in the folder ``place``, by their paths in the store from ``base`` on."""

    resolved: Resolved
    store: Store
    base: str = ""
    place: str = ""

    def place_of(self, path: str) -> str:
        """Where a path of the store is in the folder."""
        return joined(self.place, path.removeprefix(self.base))

    def places(self) -> Iterator[tuple[str, Item]]:
        """Every file with its path in the folder."""
        for item in self.resolved.items:
            yield self.place_of(item.path), item


@dataclass(frozen=True)
class File:
    """One file of a dataset in the cache."""

    place: str
    size: int
    sha256: str
    modified: int  # nanoseconds, as the file system says it


@dataclass(frozen=True)
class CachedDataset:
    """A folder and its files, which stay as they are for as long as this object is there: it holds the lock."""

    folder: Path
    files: Sequence[File]
    lock: IO[str]


@dataclass(frozen=True)
class Cache:
    """A folder; several processes, and several clones, may use it at once."""

    folder: Path
    settings: DataSettings
    limit: Limit  # for which to wait for another process that fetches the same
    reporter: Reporter

    @property
    def objects(self) -> Objects:
        return Objects(self.folder / "objects")

    def dataset(self, parts: Sequence[Part], what: str) -> CachedDataset:
        """The folder that has all of the parts; ``what`` names them.

        Raises:
            TrainyardError: a store does not give all of it, two parts have a file of one name, no space.
        """
        places = _all_places(parts)
        # A digest over what it is made of, not over its content, which nobody knows yet.
        made_of = ((place, part.resolved.url, *item.identity) for place, (part, item) in places.items())
        key = digest_of(*map(ascii, made_of))[:32]
        (self.folder / "sets").mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "sets" / f"{key}.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_SH)
        files = self._there(key)
        if files is None:
            with locked(self.folder / "locks" / key, what, self.limit, self.reporter):
                files = self._there(key) or self._made(key, places, what)
            self.trim()
        return CachedDataset(self.folder / "sets" / key / "data", files, lock)

    def _there(self, key: str) -> list[File] | None:
        """The files of a dataset that is there and as it was made; else None, and what was changed is gone."""
        listed, folder = self.folder / "sets" / f"{key}.json", self.folder / "sets" / key
        try:
            files = [File(*row) for row in json.loads(listed.read_bytes())]
        except (OSError, ValueError, TypeError):
            return None
        changed = [file for file in files if not _is_as_made(folder / "data" / file.place, file)]
        if not changed:
            os.utime(listed)
            return files
        self.reporter.warn(f"{changed[0].place} was changed in {self.folder}: it is fetched again")
        for file in changed:
            self.objects.path(file.sha256).unlink(missing_ok=True)
        listed.unlink(missing_ok=True)
        return None

    def _made(self, key: str, places: dict[str, tuple[Part, Item]], what: str) -> list[File]:
        with self._fetching(), Index(self.folder / "index.db") as index:
            contents = self._contents(places, index, what)
            temporary = self.folder / "sets" / f"{key}.new"
            shutil.rmtree(temporary, ignore_errors=True)
            files = []
            for place, (part, item) in places.items():
                path, sha256 = temporary / "data" / place, contents[part.resolved.url, item]
                path.parent.mkdir(parents=True, exist_ok=True)
                self.objects.put(sha256, path)
                files.append(File(place, item.size, sha256, path.stat().st_mtime_ns))
            target = self.folder / "sets" / key
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        rows = [[file.place, file.size, file.sha256, file.modified] for file in files]
        write_whole(self.folder / "sets" / f"{key}.json", json.dumps(rows))
        return files

    def _contents(self, places: dict[str, tuple[Part, Item]], index: Index, what: str) -> dict[tuple[str, Item], str]:
        """The sha256 of every file, once all are in the cache."""
        found: dict[tuple[str, Item], str] = {}
        fetches = []
        by_store: dict[str, tuple[Store, list[Item]]] = {}
        for part, item in places.values():
            by_store.setdefault(part.resolved.url, (part.store, []))[1].append(item)
        for url, (store, items) in by_store.items():
            known = {item: sha256 for item, sha256 in index.known(url, items) if self.objects.has(sha256, item.size)}
            found |= {(url, item): sha256 for item, sha256 in known.items()}
            if missing := [item for item in items if item not in known]:
                fetches.append((store, url, missing))
        self._check_space(sum(item.size for _, _, missing in fetches for item in missing))
        for store, url, missing in fetches:
            fetched = self._fetch(store, url, missing, index, what)
            found |= {(url, item): sha256 for item, sha256 in fetched}
        return found

    def _fetch(self, store: Store, url: str, items: list[Item], index: Index, what: str) -> list[tuple[Item, str]]:
        progress = Progress(len(items), sum(item.size for item in items))
        parts = self.folder / "parts"
        fetch = Fetch(store, url, items, self.objects, index, parts, self.settings, progress)
        started = last = time.monotonic()
        self.reporter.step(f"Fetching {what}: {progress}")
        with self.reporter.progress() as show:

            def on_progress() -> None:
                nonlocal last
                show(f"Fetching {what}: {progress.so_far(time.monotonic() - started)}")
                if time.monotonic() - last >= _LINE:
                    last = time.monotonic()
                    self.reporter.step(f"Fetching {what}: {progress.so_far(last - started)}")

            found = fetch.carry_out(on_progress)
        if (seconds := time.monotonic() - started) >= 1:
            self.reporter.step(f"Fetched {what}: {progress.so_far(seconds)}")
        return found

    def _check_space(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise TrainyardError(
                f"{self.folder}: {size / _GB:.1f} GB are to be fetched, and {free / _GB:.1f} GB are free",
                "make room, or set DATA_CACHE to a folder of another disk", EXIT_FAILED,
            )  # fmt: skip

    def trim(self) -> None:
        """Bring it below its limit: what was used longest ago goes first, and never what somebody uses."""
        if not self.settings.data_cache_gb:
            return
        with self._alone() as is_alone:
            if not is_alone:  # somebody fetches: whoever is last sees to it
                return
            self.objects.remove_leftovers()
            most = self.settings.data_cache_gb * _GB
            over = self.objects.size() - most
            for listed in sorted((self.folder / "sets").glob("*.json"), key=_modified) if over > 0 else ():
                over -= self._remove_unused(over)
                if over <= 0:
                    return
                self._remove_set(listed.stem)
            self._remove_unused(over)

    def _remove_set(self, key: str) -> None:
        with (self.folder / "sets" / f"{key}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            (self.folder / "sets" / f"{key}.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "sets" / key, ignore_errors=True)

    def _remove_unused(self, enough: int) -> int:
        """Remove files that no dataset has, until enough bytes are free; how many are."""
        freed = 0
        for path in self.objects.unused() if enough > 0 else ():
            if freed >= enough:
                break
            freed += path.stat().st_size
            path.unlink()
        return freed

    @contextlib.contextmanager
    def _fetching(self) -> Iterator[None]:
        """While the block runs, nobody removes files that no dataset has yet."""
        with (self.folder / "fetching.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        with (self.folder / "fetching.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def _all_places(parts: Iterable[Part]) -> dict[str, tuple[Part, Item]]:
    found: dict[str, tuple[Part, Item]] = {}
    for part in parts:
        for place, item in part.places():
            before = found.setdefault(place, (part, item))
            if before != (part, item) and (before[0].resolved.url, before[1]) != (part.resolved.url, item):
                raise TrainyardError(
                    f"{before[0].resolved.ref} and {part.resolved.ref} both have data/{place}",
                    "rename one in its store",
                )
    return found


def _is_as_made(path: Path, file: File) -> bool:
    try:
        stat = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (file.size, file.modified)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
