"""What the files of installed packages should be: what the packages themselves say.

uv links or copies what its cache has and does not look at it again: what a crash or a full disk has cut short there
would be installed in silence.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Listed(NamedTuple):
    """A file of a package."""

    package: str
    digest: str  # as in RECORD; empty where that has none


def listed() -> dict[str, Listed]:
    """The files that one package alone brings, by their paths below site-packages, where this runs. Of a file that two
    bring there is one, the later's: nobody can tell."""
    found: dict[str, Listed] = {}
    several = set()
    for folder in sorted(Path().glob("*.dist-info")):
        own = dict(_entries(folder))
        several |= own.keys() & found.keys()
        package = folder.name.partition("-")[0]
        found |= {path: Listed(package, digest) for path, digest in own.items()}
    return {path: one for path, one in found.items() if path not in several}


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    yield f"{folder}/METADATA", ""  # also where the list itself is cut short
    try:
        text = (folder / "RECORD").read_text(errors="replace")
    except OSError:
        yield f"{folder}/RECORD", ""
        return
    for row in csv.reader(text.splitlines()):
        if row and not row[0].startswith(("..", "/")) and row[1:2] != [""]:
            yield row[0], row[1] if row[1:] else "nothing"


class Digest:
    """Of a file, as RECORD has it: https://packaging.python.org/specifications/recording-installed-packages/."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._kind = expected.partition("=")[0]
        self._hash = hashlib.new(self._kind) if self._kind in hashlib.algorithms_guaranteed else None

    def update(self, content: bytes) -> None:
        if self._hash:
            self._hash.update(content)

    @property
    def agrees(self) -> bool:
        if not self._hash:
            return not self._expected
        found = base64.urlsafe_b64encode(self._hash.digest()).rstrip(b"=").decode()
        return self._expected == f"{self._kind}={found}"
