"""Stores that a driver of fsspec reads: web servers, SFTP, folders, DVC repositories."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from trainyard.host.data.store import Changed, Entry, Item, NotThere, StoreError, joined

PIECE = 1 << 20  # bytes that are read at a time
DEEPEST = 100  # folders in each other: a link around itself has no end
# By what drivers call the identity of a file's content; the first that is there.
_VERSIONS = ("ETag", "etag", "md5", "checksum", "mtime", "Last-Modified", "last_modified", "modified", "created")


class FsspecStore:
    """A folder of a file system of fsspec. ``base`` is its path as that one writes it."""

    def __init__(self, name: str, files: Any, base: str, *, writable: bool = True, quoted: bool = False) -> None:
        """``quoted``: its names are parts of URLs."""
        self._name, self._fs, self._base = name, files, base.rstrip("/") or base
        self._writable, self._quoted = writable, quoted

    def files(self, path: str = "") -> Iterator[Item]:
        if path and (alone := self.find(path)):
            yield alone
            return
        yield from self._below(path, 0)

    def _below(self, folder: str, depth: int) -> Iterator[Item]:
        if depth > DEEPEST:
            raise StoreError(f"{self._name}:{folder}: more than {DEEPEST} folders in each other", "remove the link")
        for entry in self.entries(folder):
            if entry.item:
                yield entry.item
            else:
                yield from self._below(joined(folder, entry.name), depth + 1)

    def entries(self, folder: str = "", beginning: str = "") -> Iterator[Entry]:
        with self._errors(folder):
            found = self._fs.ls(self._path(folder), detail=True)
        here = self._path(folder).rstrip("/")
        for info in found:
            name = info["name"].rstrip("/").rpartition("/")[2]
            if not name.startswith(beginning) or info["name"].rstrip("/") == here:
                continue
            name = unquote(name) if self._quoted else name
            yield Entry(name, self._item(joined(folder, name), info) if info["type"] == "file" else None)

    def find(self, path: str) -> Item | None:
        try:
            with self._errors(path):
                info = self._fs.info(self._path(path))
        except NotThere:
            return None
        return self._item(path, info) if info["type"] == "file" else None

    def read(self, item: Item, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        left = item.size - offset if length is None else length
        with self._errors(item.path):
            # Of a server that does not know byte ranges the whole file can be had, from its beginning.
            with self._fs.open(self._path(item.path), "rb", block_size=PIECE, cache_type="readahead") as file:
                if offset:
                    file.seek(offset)
                while left > 0 and (piece := file.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
            now = self.find(item.path)
        if now is None or now.version != item.version:
            raise Changed(f"{self._name}:{item.path} changed while it was read")

    def write(self, path: str, source: Path) -> None:
        self._check_writable()
        target = self._path(path)
        part = f"{target}.part"
        with self._errors(path):
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            try:
                self._fs.put_file(str(source), part)
                with suppress(FileNotFoundError):
                    self._fs.rm_file(target)
                self._fs.mv(part, target)
            finally:
                with suppress(OSError):
                    self._fs.rm_file(part)

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
        if not path:
            return self._base
        return f"{self._base.rstrip('/')}/{quote(path) if self._quoted else path}"

    def _item(self, path: str, info: dict[str, Any]) -> Item:
        if info.get("size") is None:  # a web server's page of a folder
            info = self._fs.info(self._path(path))
        info = info | (info.get("dvc_info") or {})
        found = next((info[key] for key in _VERSIONS if info.get(key) is not None), "")
        size = info.get("size")
        if size is None:
            raise StoreError(f"{self._name}:{path}: the store does not say how large it is", "use another store")
        modified = info.get("mtime", 0.0)
        seconds = modified.timestamp() if hasattr(modified, "timestamp") else float(modified)
        return Item(path, size, str(found).strip() or f"size {size}", seconds)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        where = f"{self._name}:{path}"
        try:
            yield
        except StoreError:
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(f"{where}: there is nothing of that name") from None
        except PermissionError as error:
            raise StoreError(
                f"{where}: the store refuses ({error.strerror or 'no permission'})", REFUSED.format(self._name)
            ) from None
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(f"{where}: {_reason(error)}", "check the store: make datastores", passing=True) from None
        except Exception as error:  # noqa: BLE001 -- each driver has errors of its own, of any class
            raise _of_driver(where, self._name, error) from None


REFUSED = "check the credentials of {}: make datastores"


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return " ".join(str(error).split())[:200] or type(error).__name__


def _of_driver(where: str, name: str, error: Exception) -> StoreError:
    status = getattr(error, "status", None)  # aiohttp's
    if status in (401, 403):
        return StoreError(f"{where}: the store refuses (status {status})", REFUSED.format(name))
    if status:
        return StoreError(f"{where}: status {status}", "check the store: make datastores", passing=status >= 500)
    return StoreError(
        f"{where}: {type(error).__name__}: {_reason(error)}", "check the store: make datastores", passing=True
    )
