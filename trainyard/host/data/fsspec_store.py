"""Stores that a driver of fsspec reads: SFTP, folders, DVC repositories. Web servers are in ``web_store.py``."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trainyard.host.data.fsspec_errors import plain_errors
from trainyard.host.data.store import Changed, Entry, Item, NotThere, StoreError, in_store, joined, pieces

PIECE = 1 << 20  # bytes that are read at a time
DEEPEST = 30  # folders in each other: of SFTP it is not known where a link leads
_AT_ONCE = 8  # files whose sizes are asked for
_PART = (".trainyard-", ".part")  # what a file that is being written is called, until it is there whole
# By what drivers call the identity of a file's content; the first that is there.
_VERSIONS = ("ETag", "etag", "md5", "checksum", "mtime", "Last-Modified", "last_modified", "modified", "created")


class FsspecStore:
    """A folder of a file system of fsspec."""

    def __init__(self, name: str, connect: Callable[[], Any], base: str, *, writable: bool = True) -> None:
        """``base`` is the folder's path as the driver writes it. Nothing is connected to before it is used."""
        self._name, self._connect, self._base = name, connect, base.rstrip("/") or base
        self._writable = writable
        self._connected: Any = None
        self._lock = threading.Lock()

    @property
    def _fs(self) -> Any:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def files(self, path: str = "") -> Iterator[Item]:
        if path and (alone := self.find(path)):
            yield alone
            return
        yield from self._below(path, ())

    def _below(self, folder: str, around: tuple[str, ...]) -> Iterator[Item]:
        with self._errors(folder):
            here = self._real(folder)
        if here in around or len(around) > DEEPEST:
            raise StoreError(
                f"{in_store(self._name, folder)}: a link leads back to a folder around it", "remove the link"
            )
        for entry in self.entries(folder):
            if entry.item:
                yield entry.item
            else:
                yield from self._below(joined(folder, entry.name), (*around, here))

    def _real(self, folder: str) -> str:
        """Where a folder is, links followed, as far as that is known."""
        path = self._path(folder)
        return os.path.realpath(path) if "file" in self._fs.protocol else path

    def entries(self, folder: str = "", beginning: str = "") -> Iterator[Entry]:
        with self._errors(folder):
            named = [(name, info) for name, info in self._listed(folder) if name.startswith(beginning)]
            files = [(joined(folder, name), info) for name, info in named if info["type"] == "file"]
            items = dict(zip((path for path, _ in files), self._items(files), strict=True))
        yield from (Entry(name, items.get(joined(folder, name))) for name, _ in named)

    def _listed(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The names in a folder, and what the driver says of each: a file or a folder, links as what they lead to."""
        for info in self._fs.ls(self._path(folder), detail=True):
            name = info["name"].rstrip("/").rpartition("/")[2]
            if name.startswith(_PART[0]) and name.endswith(_PART[1]):
                continue
            if info["type"] not in ("file", "directory"):
                with suppress(FileNotFoundError):
                    info = {**self._fs.info(self._path(joined(folder, name)))}
            if info["type"] in ("file", "directory"):
                yield name, info

    def _items(self, files: list[tuple[str, dict[str, Any]]]) -> list[Item]:
        if all(info.get("size") is not None for _, info in files):
            return [self._item(path, info) for path, info in files]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda file: self._item(*file), files))

    def find(self, path: str) -> Item | None:
        try:
            with self._errors(path):
                info = self._fs.info(self._path(path))
                return self._item(path, info) if self._is_file(path, info) else None
        except NotThere:
            return None

    def _is_file(self, path: str, info: dict[str, Any]) -> bool:
        return bool(path) and info["type"] == "file"

    def read(self, item: Item, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        left = item.size - offset if length is None else length
        with self._errors(item.path):
            with self._opened(item, offset, left) as file:
                while left > 0 and (piece := file.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
            now = self.find(item.path)
        if now is None or now.identity != item.identity:
            raise Changed(f"{self._name}:{item.path} changed while it was read")

    @contextmanager
    def _opened(self, item: Item, offset: int, length: int) -> Iterator[Any]:
        """The file, at the offset; ``length`` is how much of it will be read."""
        with self._fs.open(self._path(item.path), "rb") as file:
            if offset:
                file.seek(offset)
            yield file

    def write(self, path: str, source: Path, check: Callable[[], None] = lambda: None) -> None:
        self._check_writable()
        folder, _, name = self._path(path).rpartition("/")
        part = f"{folder}/{hashlib.sha256(os.fsencode(name)).hexdigest()[:16].join(_PART)}"
        with self._errors(path):
            self._fs.makedirs(folder, exist_ok=True)
            try:
                with self._fs.open(part, "wb") as file:
                    for piece in pieces(source, check):
                        file.write(piece)
                self._fs.mv(part, self._path(path))
            except BaseException:
                with suppress(Exception):
                    self._fs.rm_file(part)
                raise

    def remove(self, path: str) -> None:
        self._check_writable()
        try:
            with self._errors(path):
                self._fs.rm_file(self._path(path))
        except NotThere:
            return

    def make(self) -> bool:
        self._check_writable()
        with self._errors(""):
            if self._fs.exists(self._base):
                return False
            self._fs.makedirs(self._base, exist_ok=True)
        return True

    def _check_writable(self) -> None:
        if not self._writable:
            raise StoreError(f"{self._name}: nothing can be written there", "push to another data store")

    def _path(self, path: str) -> str:
        return f"{self._base.rstrip('/')}/{path}" if path else self._base

    def _item(self, path: str, info: dict[str, Any]) -> Item:
        info = info | (info.get("dvc_info") or {})
        size = info.get("size")
        size = self._size(path) if size is None else size
        modified = info.get("mtime") or 0.0
        seconds = modified.timestamp() if hasattr(modified, "timestamp") else float(modified)
        version = next((info[key] for key in _VERSIONS if info.get(key) is not None), f"size {size}")
        return Item(path, size, str(version).strip().strip('"'), seconds)

    def _size(self, path: str) -> int:
        """DVC does not note it of the files of a folder."""
        with self._fs.open(self._path(path), "rb") as file:
            return int(file.seek(0, os.SEEK_END))

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """As ``plain_errors``. What lost its connection is connected to again when it is used next."""
        used = None
        try:
            with plain_errors(self._name, path):
                used = self._fs
                yield
        except StoreError as error:
            with self._lock:
                if error.passing and self._connected is used:
                    self._connected = None
            raise
