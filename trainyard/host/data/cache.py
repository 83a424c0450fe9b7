"""The cache of what was fetched: files by content, and datasets, each a folder of such files that never changes.

contents/  files by their sha256            sets/<key>/data/   a dataset as a training sees it
parts/     large files on their way         sets/<key>.json    what is in there, written last of all
index.db   what was fetched from where      sets/<key>.lock    held by whoever uses it
"""

from __future__ import annotations

import os
import posixpath
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.content_files import ContentFiles
from trainyard.host.data.fetching import Fetch, Progress
from trainyard.host.data.index import Index
from trainyard.host.data.resolving import Resolved
from trainyard.host.data.sets import File, Sets
from trainyard.host.data.store import Item, Store, joined
from trainyard.host.data.trimming import fetching, trim
from trainyard.host.support.command import Limit
from trainyard.host.support.digests import digest_of
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter
from trainyard.settings.data import DataSettings

_LINE = 20  # seconds between two lines of progress in a log
_GB = 10**9


@dataclass(frozen=True)
class PlacedDataset:
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


Places = dict[str, tuple[PlacedDataset, Item]]  # what lies where in the folder


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
    def contents(self) -> ContentFiles:
        return ContentFiles(self.folder / "contents")

    @property
    def sets(self) -> Sets:
        return Sets(self.folder / "sets")

    def dataset(self, parts: Sequence[PlacedDataset], what: str) -> CachedDataset:
        """The folder that has all of the parts; ``what`` names them.

        Raises:
            TrainyardError: a store does not give all of it, two parts have a file of one name, no space.
        """
        places = all_places(parts)
        # A digest over what it is made of, not over its content, which nobody knows yet.
        made_of = ((place, part.resolved.url, *item.identity) for place, (part, item) in places.items())
        key = digest_of(*map(ascii, made_of))[:32]
        lock = self.sets.hold(key)
        files = self._whole(key)
        if not files:
            with locked(self.folder / "locks" / key, what, self.limit, self.reporter):
                files = self._whole(key) or self._made(key, places, what)
            self.trim()
        self.sets.used_now(key)
        return CachedDataset(self.sets.data(key), files, lock)

    def trim(self) -> int:
        """Bring it below DATA_CACHE_GB; the bytes that this has freed."""
        return trim(self.folder, self.settings.data_cache_gb * _GB)

    def _whole(self, key: str) -> list[File]:
        """The files of a dataset that is there and as it was made."""
        files = self.sets.files(key)
        for path in self.sets.others(key, files) if files else ():
            self.reporter.warn(f"{path} is not of the dataset: it is removed")
            Path(path).unlink(missing_ok=True)
        return [] if self.sets.changed(key, files) else files

    def _made(self, key: str, places: Places, what: str) -> list[File]:
        """Fetch what is missing. Of a dataset that was there what has changed is replaced, file by file: somebody may
        train on it."""
        before = self.sets.files(key)
        changed = {file.place: file for file in self.sets.changed(key, before)}
        if changed:
            self.reporter.warn(f"{next(iter(changed))} was changed in {self.folder}: it is fetched again")
            places = {place: places[place] for place in changed}
        for file in changed.values():
            self.contents.path(file.sha256).unlink(missing_ok=True)
        with fetching(self.folder), Index(self.folder / "index.db") as index:
            contents = self._contents(places, index, what)
            new = self._linked(key, places, contents)
        kept = [file for file in before if file.place not in changed]
        files = sorted((*kept, *new), key=lambda file: file.place)
        self.sets.write(key, files)
        return files

    def _linked(self, key: str, places: Places, contents: Mapping[tuple[str, Item], str]) -> list[File]:
        """The files in their places; a folder that was not there appears whole."""
        target, temporary = self.folder / "sets" / key, self.folder / "sets" / f"{key}.new"
        shutil.rmtree(temporary, ignore_errors=True)
        files, stored = [], self.contents
        for folder in {posixpath.dirname(place) for place in places}:
            (temporary / "data" / folder).mkdir(parents=True, exist_ok=True)
        for place, (part, item) in places.items():
            path, sha256 = f"{temporary}/data/{place}", contents[part.resolved.url, item]
            stored.put(sha256, path)
            files.append(File(place, item.size, sha256, os.stat(path).st_mtime_ns))  # noqa: PTH116 -- as Sets has it
        if self.sets.files(key):
            for file in files:
                (target / "data" / file.place).parent.mkdir(parents=True, exist_ok=True)
                (temporary / "data" / file.place).replace(target / "data" / file.place)
            shutil.rmtree(temporary)
        else:
            shutil.rmtree(target, ignore_errors=True)  # one that a kill left without its list
            temporary.rename(target)
        return files

    def _contents(self, places: Places, index: Index, what: str) -> dict[tuple[str, Item], str]:
        """The sha256 of every file, once all are in the cache."""
        found: dict[tuple[str, Item], str] = {}
        fetches = []
        by_store: dict[str, tuple[Store, list[Item]]] = {}
        for part, item in places.values():
            by_store.setdefault(part.resolved.url, (part.store, []))[1].append(item)
        for url, (store, items) in by_store.items():
            known = {item: sha256 for item, sha256 in index.known(url, items) if self.contents.has(sha256, item.size)}
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
        fetch = Fetch(store, url, items, self.contents, index, parts, self.settings, progress)
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


def all_places(parts: Iterable[PlacedDataset]) -> Places:
    """What lies where in the folder that has all of the parts.

    Raises:
        TrainyardError: two have a file of one name.
    """
    found: Places = {}
    for part in parts:
        for place, item in part.places():
            before = found.setdefault(place, (part, item))
            if before != (part, item) and (before[0].resolved.url, before[1]) != (part.resolved.url, item):
                raise TrainyardError(
                    f"{before[0].resolved.ref} and {part.resolved.ref} both have data/{place}",
                    "rename one in its store",
                )
    return found
