"""Reads ``.s2i/environment``: the one wiring file of a model directory.

The format is the one that s2i documents (``KEY=value`` lines, blank lines and ``#`` comments), read strictly: s2i's
own reader skips a line without ``=`` in silence and makes variables of ``export A=1`` and of an indented comment.
Source: https://github.com/openshift/source-to-image/blob/master/docs/builder_image.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError

KNOWN_KEYS = ("ROUTES", "TRAIN_MODULE", "TRAIN_FUNCTION", "PREDICT_MODULE", "PREDICT_FUNCTION", "MODEL_FILES")
OF_MERGED = ("MERGED", "ROUTE_GROUPS", "ROUTE_MODELS")  # what merging writes; nobody else does
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Setting:
    """One ``KEY=value`` line; ``line`` counts from 1."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Environment(Mapping[str, str]):
    """What a ``.s2i/environment`` file says, with the line of each key for error messages."""

    path: Path
    settings: tuple[Setting, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> str:
        for setting in self.settings:
            if setting.key == key:
                return setting.value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (setting.key for setting in self.settings)

    def __len__(self) -> int:
        return len(self.settings)

    def where(self, key: str) -> str:
        """``path:line`` of ``key``; the path alone where the file does not say it."""
        lines = [setting.line for setting in self.settings if setting.key == key]
        return f"{self.path}:{lines[0]}" if lines else str(self.path)

    def need(self, key: str, example: str) -> str:
        """The value of ``key``, or an error that shows ``example``."""
        if value := self.get(key, ""):
            return value
        raise TrainyardError(f"{self.where(key)}: {key} is missing", f"add a line such as {key}={example}")


def read_environment(path: Path) -> Environment:
    """Read and check one ``.s2i/environment`` file.

    Raises:
        TrainyardError: no such file, not UTF-8, a line that is not ``KEY=value``, a key given twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise TrainyardError(
            f"{path}: no such file", "write it: ROUTES=<route>:<module>:<function> and TRAIN_MODULE=<module>"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TrainyardError(f"{path}: cannot be read as UTF-8 text ({error})", "fix or rewrite the file") from None
    return parse_environment(text, path)


def parse_environment(text: str, path: Path) -> Environment:
    """Parse the text of a ``.s2i/environment`` file; ``path`` is for messages only."""
    settings: list[Setting] = []
    warnings: list[str] = []
    lines: dict[str, int] = {}
    # Not splitlines(): that also breaks at form feeds and other separators which are part of a value here.
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        key = key.strip()
        if not equals or not _KEY.fullmatch(key):
            raise TrainyardError(f"{path}:{number}: not a KEY=value line: {line!r}", "write KEY=value, or # before it")
        if key in lines:
            raise TrainyardError(f"{path}:{number}: {key} was already set on line {lines[key]}", "keep one of the two")
        if key not in KNOWN_KEYS + OF_MERGED:
            warnings.append(f"{path}:{number}: unknown key {key} (known: {', '.join(KNOWN_KEYS)})")
        lines[key] = number
        settings.append(Setting(key, _unquote(value.strip(), f"{path}:{number}"), number))
    return Environment(path, tuple(settings), tuple(warnings))


def _unquote(value: str, where: str) -> str:
    """Quotes are kept literally by s2i and never meant literally, so they are refused, not guessed at."""
    if value[:1] in ("'", '"'):
        raise TrainyardError(f"{where}: the value starts with a quote", "write the value without quotes")
    return value
