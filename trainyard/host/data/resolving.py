"""From a dataset's name to exactly what it means now: which files of a store, of which versions."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from trainyard.errors import TrainyardError
from trainyard.host.data.fsspec_errors import SHOWS
from trainyard.host.data.newest import chosen
from trainyard.host.data.store import Item, NoContainer, NotThere, Store, StoreError, in_store, joined
from trainyard.host.monorepo.dataset_ref import DatasetRef, is_latest
from trainyard.host.support.reporter import Reporter

PUSHING = ".trainyard-pushing"  # lies in a folder of a store while that is being pushed
_LONGEST = 255  # bytes of a name that file systems take


@dataclass(frozen=True)
class Resolved:
    """A dataset of a store. ``ref`` leaves nothing open; ``url`` is of the store, without credentials; paths of
    ``items`` are from there on."""

    asked: DatasetRef
    ref: DatasetRef
    url: str
    items: tuple[Item, ...]

    @property
    def is_file(self) -> bool:
        return len(self.items) == 1 and self.items[0].path == self.ref.path

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(item.size for item in self.items)

    @property
    def full_url(self) -> str:
        """Of the dataset itself."""
        return f"{self.url.rstrip('/')}/{self.ref.path}" if self.ref.path else self.url

    @cached_property
    def version(self) -> str:
        """Of a file what the store calls it; of a folder a digest over the versions of its files."""
        if self.is_file:
            return self.items[0].version.strip('"')
        digest = hashlib.sha256()
        for item in self.items:
            digest.update(f"{item.path}\0{item.size}\0{item.version}\n".encode(errors="surrogatepass"))
        return digest.hexdigest()[:32]


def resolve(asked: DatasetRef, store: Store, url: str, reporter: Reporter, purpose: str = "train") -> Resolved:
    """What ``asked`` means now. ``purpose``: as of ``newest.chosen``.

    Raises:
        TrainyardError: there is nothing of that name, it is not clear what is meant, the store does not answer, or a
            file has a name that no folder here can have.
    """
    check_path(asked)
    ref = DatasetRef(asked.store, _newest_of(asked, store, reporter, purpose)) if asked.is_open else asked
    try:
        items = tuple(sorted(_checked(ref, store.files(ref.path)), key=lambda item: os.fsencode(item.path)))
    except NoContainer:
        raise
    except NotThere:
        items = ()
    if not items:
        raise NotThere(f"{ref}: there is no such file or folder", SHOWS.format(ref.store))
    if any(item.path.rpartition("/")[2] == PUSHING for item in items):
        raise StoreError(f"{ref}: a push of it goes on, or has not ended", "wait for it, or push it again")
    return Resolved(asked, ref, url, items)


def check_path(ref: DatasetRef) -> None:
    """Raises:
    TrainyardError: the path leads out of its store."""
    if ref.path and (problem := problem_of(ref.path)):
        raise TrainyardError(f"{str(ref)!r}: {problem}", "write <store>:<folder>/<file>")


def _newest_of(asked: DatasetRef, store: Store, reporter: Reporter, purpose: str) -> str:
    """The path of the newest version that is there whole."""
    fixed = "" if is_latest(asked.name) else re.split(r"[*?\[]", asked.name)[0]
    entries = {entry.name: entry for entry in store.entries(asked.folder, fixed)}
    while True:
        name = chosen(entries, asked.name, purpose, str(asked), in_store(asked.store, asked.folder))
        path = joined(asked.folder, name)
        if entries[name].item or store.find(joined(path, PUSHING)) is None:
            return path
        reporter.warn(f"{asked.store}:{path} is left out: a push of it goes on, or has not ended")
        del entries[name]


def _checked(ref: DatasetRef, items: Iterator[Item]) -> Iterator[Item]:
    """Those that can be files of a folder. An empty object that has the name of a folder stands for it."""
    found = list(items)
    folders = {parent for item in found for parent in _parents(item.path)}
    for item in found:
        if item.path in folders:
            if item.size:
                raise TrainyardError(
                    f"{ref.store}:{item.path} is a file and a folder at once", "rename one in the store"
                )
            continue
        if problem := problem_of(item.path):
            shown = item.path if len(item.path) < 80 else item.path[:80] + "..."
            raise TrainyardError(
                f"{ref.store}:{shown!r}: {problem}", "rename it in the store, or name a folder beside it"
            )
        yield item


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def problem_of(path: str) -> str:
    """Why a path cannot be one of a folder here; empty where it can."""
    parts = path.split("/")
    if ".." in parts or "." in parts or "" in parts:
        return "the name leads out of its folder, or nowhere"
    if re.search(r"[\x00-\x1f\x7f]", path):
        return "the name has a control character"
    if any(len(part.encode(errors="surrogatepass")) > _LONGEST for part in parts):
        return f"a part of the name is longer than {_LONGEST} bytes"
    return ""
