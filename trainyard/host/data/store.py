"""What a data store is, whatever holds it. S3 is ``object_store.py``, all else ``fsspec_store.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from trainyard.contract.files import CHUNK
from trainyard.errors import EXIT_FAILED, TrainyardError

WEAK, MODIFIED = "W/", "at "  # what versions begin with that cannot be asked for: an etag, a time of modification
KEYS = "keys of S3, an account key of Azure, the key of a Google service account can"  # sign links
_SHOWN = 120  # characters of a path that a message has


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a store. ``path`` is from the store's URL on, ``size`` in bytes; ``version`` changes with the content:
    an etag, or a time of modification and a size."""

    path: str
    size: int
    version: str
    modified: float = field(default=0.0, compare=False)  # seconds since 1970; 0 where the store does not say it

    @property
    def identity(self) -> tuple[str, str, int]:
        """What is another content where it differs."""
        return self.path, self.version, self.size


@dataclass(frozen=True, slots=True)
class Entry:
    """What one level of a store has: a file, or a folder, which has no ``item``."""

    name: str
    item: Item | None = None


class StoreError(TrainyardError):
    """A store did not do what it was asked. ``passing``: asked again it may."""

    def __init__(self, message: str, fix: str = "", *, passing: bool = False) -> None:
        super().__init__(message, fix, EXIT_FAILED)
        self.passing = passing


class NotThere(StoreError):
    """The store answers, and has nothing of that name."""


class NoContainer(NotThere):
    """The bucket, container or folder that the URL of the store names is not there."""


class Changed(StoreError):
    """A file is not the version any more that was listed."""


def _nothing() -> None:
    """There is nothing to check."""


def pieces(source: Path, check: Callable[[], None]) -> Iterator[bytes]:
    """A file in pieces, each after a check."""
    with source.open("rb") as file:
        while piece := file.read(CHUNK):
            check()
            yield piece


class Store(Protocol):
    """One store. All paths are from its URL on. A method that fails raises StoreError."""

    def files(self, path: str = "") -> Iterator[Item]:
        """Every file below a folder, or the one file of that path, while the store is still listing."""

    def entries(self, folder: str = "", beginning: str = "") -> Iterator[Entry]:
        """The files and folders of one level, those whose names begin so."""

    def find(self, path: str) -> Item | None:
        """The file of that path; None where there is none."""

    def read(self, item: Item, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A part of a file's content, in pieces.

        Raises:
            Changed: the file has another version by now.
        """

    def write(self, path: str, source: Path, check: Callable[[], None] = _nothing) -> None:
        """Put a file there, whole or not at all, in the place of what is there. ``check`` is called before each piece:
        what it raises ends it."""

    def remove(self, path: str) -> None:
        """Remove a file; nothing where there is none."""

    def make(self) -> bool:
        """Make the bucket, container or folder that the URL begins with; False where it was there."""


@runtime_checkable
class SignsLinks(Protocol):
    """A store that makes links: whoever has one can read, or write, one file without the store's credentials."""

    def link(self, path: str, seconds: int, *, write: bool = False) -> str:
        """A link to a file, which need not be there, that is good for so long.

        Raises:
            StoreError: the store's credentials cannot sign any.
        """


def etag_of(version: str) -> str:
    """What a request can ask for; empty where a version is nothing of the kind."""
    return "" if version.startswith((WEAK, MODIFIED)) else version


def in_store(name: str, path: str) -> str:
    """A path of the store ``name``, or the store itself, for messages."""
    shown = path if len(path) <= _SHOWN else f"{path[: _SHOWN // 2]} ... {path[-_SHOWN // 2 :]}"
    return f"{name}:{shown}" if path else name


def joined(*parts: str) -> str:
    """A path of its parts, of which some may be empty."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))
