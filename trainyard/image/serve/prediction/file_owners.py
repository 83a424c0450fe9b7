"""Which model's record names which file below ``models/``; records are read again where ``models/`` has changed."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainyard.contract.model_files import files_named_by
from trainyard.contract.records import LINKED, reading

SETTLED_NS = 100_000_000  # a folder that changed more recently may change again within one tick of its clock

Stamp = tuple[int, ...]

_thread = threading.local()  # ``looking``
_indexes: dict[str, Index] = {}  # by folder


def owners(models: Path) -> Mapping[str, str]:
    """The files that records in ``models`` name, by their paths in it, each with the name of its model."""
    folder = str(models)
    if folder not in _indexes:
        _indexes[folder] = Index(models)
    return _indexes[folder].files()


def is_looking() -> bool:
    """Whether this thread reads records to find out whose files there are: nobody's model is opened by that."""
    return getattr(_thread, "looking", False)


class Index:
    """Of one folder. Costs one system call, or one more for each project, where nothing has changed."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._folders = [str(models)]  # and those that links in it lead to
        self._seen: Stamp = ()
        self._files: Mapping[str, str] = {}
        self._records: dict[str, tuple[Stamp, Mapping[str, str]]] = {}  # by name: its stamp, what it names

    def files(self) -> Mapping[str, str]:
        """By path: the model that it is of; the same mapping as long as nothing in it has changed."""
        seen = self._stamp()
        if seen != self._seen or not seen:
            files = self._read()
            self._files = self._files if files == self._files else files
            seen = seen if len(seen) == len(self._folders) else ()
            self._seen = seen if time.time_ns() - max(seen, default=0) > SETTLED_NS else ()
        return self._files

    def _stamp(self) -> Stamp:
        """When the folder was changed, and those that its links lead to."""
        try:
            return tuple([os.stat(folder).st_mtime_ns for folder in self._folders])  # noqa: PTH116 -- at every open
        except OSError:
            return ()

    def _read(self) -> Mapping[str, str]:
        self._folders = [str(self._models), *map(str, self._models.glob(f"{LINKED}/*"))]
        with _looking():
            found = dict(self._records_now())
        self._records = found
        return {path: model for _, named in found.values() for path, model in named.items()}

    def _records_now(self) -> Iterator[tuple[str, tuple[Stamp, Mapping[str, str]]]]:
        for path in sorted(self._models.glob("*.json")):
            with contextlib.suppress(OSError):
                status = path.stat()
                stamp = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
                known = self._records.get(path.name)
                yield path.name, known if known and known[0] == stamp else (stamp, files_named_by(path))


@contextlib.contextmanager
def _looking() -> Iterator[None]:
    _thread.looking = True
    try:
        with reading():
            yield
    finally:
        _thread.looking = False
