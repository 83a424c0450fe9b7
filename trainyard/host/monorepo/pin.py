"""Which Trainyard a monorepo is built with: ``trainyard.toml`` at its top, which mk/setup.sh reads, too.

    version = "0.1.0"
    source = "mk/trainyard-0.1.0-py3-none-any.whl"

``source`` is a path from the top or a URL, for a Trainyard that comes from no package index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import trainyard
from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError

FILE = "trainyard.toml"
KEYS = {"version", "source"}
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]*")


@dataclass(frozen=True)
class Pin:
    """A version of Trainyard, and where it comes from; from the package index where ``source`` is empty."""

    version: str
    source: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether it comes from a file of the monorepo."""
        return bool(self.source) and "://" not in self.source

    def requirement(self, root: Path) -> str:
        """As an installer takes it (PEP 508), for the monorepo at ``root``."""
        if not self.source:
            return f"trainyard=={self.version}"
        return f"trainyard @ {self.source if '://' in self.source else (root / self.source).resolve().as_uri()}"

    def text(self) -> str:
        """The file; one line for each key, so that a shell can read it."""
        lines = [
            "# The Trainyard that this monorepo is built with; `trainyard upgrade` moves it.",
            f'version = "{self.version}"',
        ]
        return "\n".join([*lines, *([f'source = "{self.source}"'] if self.source else [])]) + "\n"


def read_pin(root: Path) -> Pin:
    """The pin of the monorepo at ``root``; the running version where its file names none.

    Raises:
        TrainyardError: a file that cannot be read, is no TOML, or has anything but the two keys.
    """
    import tomllib  # which takes 3 ms: every verb imports the name of the file

    path = root / FILE
    try:
        found = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise TrainyardError(f"{path}: {error}", 'it holds version = "..." and perhaps source = "..."') from None
    if unknown := sorted(found.keys() - KEYS):
        raise TrainyardError(f"{path}: unknown key {unknown[0]!r}", f"known: {', '.join(sorted(KEYS))}")
    for key, value in found.items():
        if not isinstance(value, str) or set(value) & set('"\\\n'):
            raise TrainyardError(f"{path}: {key} is not a plain text", f'write {key} = "..."')
    pin = Pin(found.get("version", trainyard.__version__), found.get("source", ""))
    if not _VERSION.fullmatch(pin.version):
        raise TrainyardError(f"{path}: version = {pin.version!r} is not a version", f'write "{trainyard.__version__}"')
    return pin
