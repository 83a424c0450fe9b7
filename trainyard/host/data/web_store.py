"""A folder of a web server: its pages of links are what is in it, as nginx and Apache write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from trainyard.host.data.fsspec_errors import CHECK
from trainyard.host.data.fsspec_store import PIECE, FsspecStore
from trainyard.host.data.store import Item, StoreError

_BLOCK = 4 * PIECE  # bytes of one request for a part of a file


class WebStore(FsspecStore):
    """Nothing can be written there."""

    def _path(self, path: str) -> str:
        return f"{self._base}/{quote(path)}" if path else f"{self._base}/"

    def _listed(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Links that lead elsewhere, or sort the page, are none of its files."""
        here = urlsplit(self._path(folder)).path.rstrip("/")
        for info in self._fs.ls(self._path(folder).rstrip("/") + "/", detail=True):
            place = urlsplit(info["name"])
            before, _, name = place.path.rstrip("/").rpartition("/")
            if unquote(before) == unquote(here) and not place.query and unquote(name) not in ("", ".", ".."):
                yield unquote(name), info

    def _is_file(self, path: str, info: dict[str, Any]) -> bool:
        """A folder is where a server sends on to the same URL with a slash behind it."""
        return bool(path) and not urlsplit(info.get("url") or "").path.endswith("/")

    def _item(self, path: str, info: dict[str, Any]) -> Item:
        """A page says no sizes, and no versions."""
        if info.get("size") is None and "url" not in info:
            info = self._fs.info(self._path(path))
        return super()._item(path, info)

    def _size(self, path: str) -> int:
        raise StoreError(f"{self._name}:{path}: the server does not say how large it is", CHECK)

    @contextmanager
    def _opened(self, item: Item, offset: int, length: int) -> Iterator[Any]:
        """The whole file comes by one request, a part of it by its range, where the server knows ranges."""
        path = self._path(item.path)
        if offset == 0 and length == item.size:
            with self._fs.open(path, "rb", block_size=0, size=item.size) as file:
                yield file
            return
        with self._fs.open(path, "rb", block_size=_BLOCK, cache_type="readahead", size=item.size) as file:
            file.seek(offset)
            try:
                file.read(1)
            except ValueError:  # the driver's way to say that the server gave the whole file
                pass
            else:
                file.seek(offset)
                yield file
                return
        with self._fs.open(path, "rb", block_size=0, size=item.size) as file:
            while offset > 0 and (piece := file.read(min(PIECE, offset))):
                offset -= len(piece)
            yield file
