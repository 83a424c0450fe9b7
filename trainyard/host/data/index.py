"""Which content each version of a file of a store had: so that nothing is fetched twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.data.store import Item

_TABLE = """CREATE TABLE IF NOT EXISTS files (url TEXT, path TEXT, version TEXT, size INTEGER, sha256 TEXT,
PRIMARY KEY (url, path, version, size)) WITHOUT ROWID"""
_BUSY = 60  # seconds to wait for another process that writes


class Index:
    """A table in a file. One that is damaged is begun anew: what it knew is fetched again, and nothing else."""

    def __init__(self, path: Path) -> None:
        """Raises:
        TrainyardError: it cannot be opened."""
        self._path = path
        try:
            self._database = self._open()
        except sqlite3.OperationalError as error:
            raise TrainyardError(
                f"{path}: {error}", "check its permissions, or set DATA_CACHE to another folder"
            ) from None
        except sqlite3.DatabaseError:
            self._begin_anew()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(_TABLE)
            database.execute("SELECT count(*) FROM (SELECT 1 FROM files LIMIT 1)")
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def _begin_anew(self) -> None:
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        self._database = self._open()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def known(self, url: str, items: Iterable[Item]) -> Iterator[tuple[Item, str]]:
        """Those whose content was seen, with its sha256."""
        wanted = "SELECT sha256 FROM files WHERE url = ? AND path = ? AND version = ? AND size = ?"
        for item in filter(lambda item: _is_text(item.path), items):
            try:
                found = self._database.execute(wanted, (url, *item.identity)).fetchall()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise TrainyardError(f"{self._path}: {error}", "try again") from None
                self._database.close()
                self._begin_anew()
                return
            yield from ((item, sha256) for (sha256,) in found)

    def add(self, url: str, found: Iterable[tuple[Item, str]]) -> None:
        """Raises:
        sqlite3.Error: no space, or another process writes for too long."""
        rows = [(url, *item.identity, sha256) for item, sha256 in found if _is_text(item.path)]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _is_text(name: str) -> bool:
    """Of a file of a local folder it may be half a character; such files are fetched each time."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
