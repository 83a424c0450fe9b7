"""Which installed packages are not what they say they are: ``python damage.py SITE_PACKAGES`` prints their names.

uv copies or links what its cache has and does not look at it again: what a crash or a full disk has cut short there
would be installed in silence.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

Entries = list[tuple[Path, str]]  # a file, and its digest as RECORD has it; that is empty where it has none


def damaged(site: Path) -> list[str]:
    """The names of packages of which a file is gone, or another than their RECORD says."""
    recorded = {_name(folder): list(_entries(site, folder)) for folder in sorted(site.glob("*.dist-info"))}
    owners = Counter(path for entries in recorded.values() for path, _ in entries)
    # Of a file that two packages bring there is one, the later's: nobody can tell.
    own = {
        name: [(path, digest) for path, digest in entries if owners[path] == 1] for name, entries in recorded.items()
    }
    with ProcessPoolExecutor() as pool:
        return [name for name, whole in zip(own, pool.map(_whole, own.values()), strict=True) if not whole]


def _name(folder: Path) -> str:
    return folder.name.partition("-")[0]


def _entries(site: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder / "METADATA", ""  # also where the list itself is cut short
    try:
        text = (folder / "RECORD").read_text(errors="replace")
    except OSError:
        yield folder / "RECORD", ""
        return
    for row in csv.reader(text.splitlines()):
        if row and not row[0].startswith(("..", "/")) and row[1:2] != [""]:
            yield site / row[0], row[1] if row[1:] else "nothing"


def _whole(entries: Entries) -> bool:
    return all(path.is_file() and digest in ("", _digest(path, digest)) for path, digest in entries)


def _digest(path: Path, like: str) -> str:
    """That of a file, in the form of another."""
    kind = like.partition("=")[0]
    if kind not in hashlib.algorithms_guaranteed:
        return ""
    found = hashlib.new(kind, path.read_bytes()).digest()
    return f"{kind}={base64.urlsafe_b64encode(found).rstrip(b'=').decode()}"


if __name__ == "__main__":
    print(*damaged(Path(sys.argv[1])))  # noqa: T201
