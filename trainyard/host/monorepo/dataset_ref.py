"""How a dataset is named: a path below its project, or ``<store>:<path>`` in a data store."""

from __future__ import annotations

import re
from dataclasses import dataclass

DATASTORES = "datastores.yaml"  # at the top of a monorepo: what stores there are
STORE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_IN_STORE = re.compile(rf"({STORE_NAME.pattern}):(?!//)(.*)", re.DOTALL)
LATEST = "latest"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class DatasetRef:
    """A dataset as somebody wrote it. ``store`` is empty where it lies in the project; ``path`` may end in ``latest``
    (``latest.csv``) or in a pattern, which name the newest version."""

    store: str
    path: str
    literal: bool = False  # the name is that of a file, whatever it looks like

    def __str__(self) -> str:
        return f"{self.store}:{self.path}" if self.store else self.path

    @property
    def folder(self) -> str:
        """The path without its last part."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_open(self) -> bool:
        """Whether the path leaves open which version is meant."""
        return not self.literal and (is_latest(self.name) or is_pattern(self.name))


def parse_ref(text: str) -> DatasetRef:
    """A URL is a path: it is the train function that reads it."""
    if found := _IN_STORE.fullmatch(text):
        return DatasetRef(found[1], found[2].strip("/"))
    return DatasetRef("", text)


def is_latest(name: str) -> bool:
    """``latest``, or ``latest.csv``, which looks at files with that ending alone."""
    return name == LATEST or name.startswith(f"{LATEST}.")


def is_pattern(name: str) -> bool:
    """Whether a name has a wild card of the shell: ``*``, ``?``, ``[...]``."""
    return _WILD.search(name) is not None
