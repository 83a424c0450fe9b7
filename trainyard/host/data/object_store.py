"""Stores of objects, by obstore (Rust): S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

Why not by drivers of fsspec: docs/decisions/071-objects-by-obstore.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from trainyard.host.data.containers import make_container
from trainyard.host.data.datastores import Datastore
from trainyard.host.data.object_errors import plain
from trainyard.host.data.object_options import azure_options, gs_options, s3_options
from trainyard.host.data.store import (
    KEYS,
    MODIFIED,
    Changed,
    Entry,
    Item,
    NotThere,
    StoreError,
    etag_of,
    in_store,
    joined,
    pieces,
)
from trainyard.settings.data import DataSettings

PIECE = 256 << 10  # bytes that are handed on at a time: they are in a core's cache still when they are hashed
SMALL = 8 << 20  # bytes of a file that is written by one request; of a larger one nothing is kept where it breaks off
LISTED = 1000  # names that a page of a list has


class ObjectStore:
    """A bucket or container, or a folder in one."""

    def __init__(self, name: str, store: Datastore, environ: Mapping[str, str], settings: DataSettings) -> None:
        self._name, self._datastore, self._environ = name, store, environ
        with self._errors(""):
            self._bucket, self._folder, self._objects = _open(store, environ, settings)

    def files(self, path: str = "") -> Iterator[Item]:
        try:
            alone = self.find(path) if path else None
        except StoreError as error:
            if error.passing:
                raise
            alone = None  # the list says why it is refused, a HEAD cannot
        if alone:
            yield alone
            return
        with self._errors(path):
            for page in obstore.list(self._objects, self._key(path) or None, chunk_size=LISTED):
                yield from map(self._item, page)

    def entries(self, folder: str = "", beginning: str = "") -> Iterator[Entry]:
        # A prefix of the protocol may end within a name; obstore's ends where a folder does. It keeps the whole level:
        # 200,000 files in one folder take 146 MB. `files` is what streams.
        with self._errors(folder):
            found = obstore.list_with_delimiter(self._objects, self._key(folder) or None)
        folders = {prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"]}
        yield from (Entry(name) for name in sorted(folders) if name.startswith(beginning))
        for meta in found["objects"]:
            name = meta["path"].rpartition("/")[2]
            if name.startswith(beginning) and name not in folders:  # consoles make an empty object for a folder
                yield Entry(name, self._item(meta))

    def find(self, path: str) -> Item | None:
        try:
            with self._errors(path):
                return self._item(obstore.head(self._objects, self._key(path)))
        except NotThere:
            return None

    def read(self, item: Item, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        etag = etag_of(item.version)
        wanted: dict[str, Any] = {"if_match": f'"{etag}"'} if etag else {}
        if length is not None:
            wanted["range"] = (offset, offset + length)
        elif offset:
            wanted["range"] = {"offset": offset}
        with self._errors(item.path):
            answer = obstore.get(self._objects, self._key(item.path), options=wanted)  # type: ignore[arg-type]
            now = self._item(answer.meta)
            if now.size != item.size:
                raise Changed(f"{self._name}:{item.path} has {now.size:,} bytes by now, not {item.size:,}")
            if now.version != item.version:  # not every server looks at if_match
                raise Changed(f"{self._name}:{item.path} changed while it was read")
            # One call for a small one: each call is a change of threads.
            yield from answer.stream(min_chunk_size=PIECE) if now.size > PIECE else [bytes(answer.bytes())]

    def write(self, path: str, source: Path, check: Callable[[], None] = lambda: None) -> None:
        with self._errors(path):
            small = source.stat().st_size <= SMALL
            obstore.put(self._objects, self._key(path), source.read_bytes() if small else pieces(source, check))

    def remove(self, path: str) -> None:
        try:
            with self._errors(path):
                obstore.delete(self._objects, self._key(path))
        except NotThere:
            return

    def link(self, path: str, seconds: int, *, write: bool = False) -> str:
        key = self._key(path)
        if self._datastore.scheme == "abfs" and quote(key) != key:  # obstore 0.12 signs the quoted name, which is wrong
            raise StoreError(f"{in_store(self._name, path)}: there are no links to such a name on Azure", "rename it")
        try:
            if self._datastore.credentials == "none":  # obstore would ask this machine's provider for some
                raise ValueError
            method: Literal["PUT", "GET"] = "PUT" if write else "GET"
            return str(obstore.sign(self._objects, method, key, timedelta(seconds=seconds)))
        except (exceptions.BaseError, ValueError, OSError):
            raise StoreError(f"data store {self._name}: its credentials cannot sign links", KEYS) from None

    def make(self) -> bool:
        try:
            next(self.entries(), None)
        except NotThere:
            return make_container(self._datastore, self._bucket, self._environ)
        return False

    def _key(self, path: str) -> str:
        return joined(self._folder, path)

    def _item(self, meta: Any) -> Item:
        path = meta["path"][len(self._folder) + 1 :] if self._folder else meta["path"]
        modified, etag = meta["last_modified"], (meta["e_tag"] or "").strip('"')  # Azure's lists have it without
        return Item(path, meta["size"], etag or f"{MODIFIED}{modified:%Y-%m-%dT%H:%M:%S}", modified.timestamp())

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """The library's errors as one line, without what a request or an answer may have of credentials."""
        where = in_store(self._name, path)
        try:
            yield
        except (exceptions.NotFoundError, FileNotFoundError):
            raise NotThere(f"{where}: there is nothing of that name") from None
        except exceptions.PreconditionError:
            if self.find(path) is None:  # Azure looks at the condition first
                raise NotThere(f"{where}: there is nothing of that name") from None
            raise Changed(f"{where} changed while it was read") from None
        except (exceptions.BaseError, ValueError, OSError) as error:
            raise plain(where, self._name, str(error)) from None


def _open(store: Datastore, environ: Mapping[str, str], settings: DataSettings) -> tuple[str, str, Any]:
    """The bucket, the folder in it, what reads it."""
    place = urlsplit(store.url)
    seconds = f"{settings.data_timeout}s"
    # A request that lasts is none that fails: it is the silence that counts.
    client = {"connect_timeout": seconds, "read_timeout": seconds, "timeout": "1 day"}
    retries = {
        "max_retries": settings.data_retries, "retry_timeout": timedelta(seconds=settings.data_timeout),
        "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
    }  # fmt: skip
    common: dict[str, Any] = {"client_options": client, "retry_config": retries}
    if store.scheme == "s3":
        return place.netloc, place.path.strip("/"), S3Store(place.netloc, **s3_options(store, environ), **common)
    if store.scheme == "gs":
        return place.netloc, place.path.strip("/"), GCSStore(place.netloc, **gs_options(store, environ), **common)
    container, options = azure_options(store, environ)
    return container, place.path.strip("/"), AzureStore(container, **options, **common)
