"""``.s2iignore``: paths of a model directory that stay out of its images, as s2i reads the file.

A line is a glob for whole paths below the directory; ``*`` stops at a slash. ``!`` before one takes back what lines
before it have listed; below a folder that stays out there is nothing to take back. Of patterns that match, the last
counts. Source: https://github.com/openshift/source-to-image/blob/master/pkg/ignore/ignore.go; the globs are Go's,
https://pkg.go.dev/path/filepath#Match.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError

FILE = ".s2iignore"
_CLASS = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]")


@dataclass(frozen=True)
class Rule:
    """One line: what it matches, and whether that stays out."""

    pattern: re.Pattern[str]
    ignores: bool


@dataclass(frozen=True)
class Ignored:
    """The lines of a ``.s2iignore``, in their order."""

    rules: tuple[Rule, ...] = ()

    def has(self, path: PurePosixPath) -> bool:
        """Whether a path, as seen from the directory, stays out; that of a folder holds for all that is in it."""
        text = str(path)
        return next((rule.ignores for rule in reversed(self.rules) if rule.pattern.fullmatch(text)), False)


def read_ignored(folder: Path) -> Ignored:
    """The ``.s2iignore`` of a folder; without rules where there is none.

    Raises:
        TrainyardError: it is not UTF-8, or has a pattern that is no glob.
    """
    path = folder / FILE
    if not path.is_file():
        return Ignored()
    lines = [line.strip() for line in read_text(path).split("\n")]
    return Ignored(
        tuple(
            _rule(line, f"{path}:{number}")
            for number, line in enumerate(lines, start=1)
            if line and not line.startswith("#")
        )
    )


def _rule(line: str, where: str) -> Rule:
    glob = posixpath.normpath(line.removeprefix("!").strip("/"))
    try:
        return Rule(re.compile(_expression(glob), re.DOTALL), ignores=not line.startswith("!"))
    except (ValueError, re.error):
        raise TrainyardError(f"{where}: {line!r} is not a pattern", r"write \[ for a bracket that is meant") from None


def _expression(glob: str) -> str:
    """Raises:
    ValueError: a bracket that is not closed, or a backslash at the end."""
    found, position = "", 0
    while position < len(glob):
        letter, length = glob[position], 1
        if letter == "*":
            found += "[^/]*"
        elif letter == "?":
            found += "[^/]"
        elif letter == "[":
            letters = _CLASS.match(glob, position)
            if not letters:
                raise ValueError(glob)
            inside = re.sub(r"\\(.)|([\[&~|])", lambda match: re.escape(match[1] or match[2]), letters[2])
            found += f"(?!/)[{letters[1]}{inside}]"
            length = len(letters[0])
        elif letter == "\\":
            found += re.escape(glob[position + 1 : position + 2] or _no_letter(glob))
            length = 2
        else:
            found += re.escape(letter)
        position += length
    return found


def _no_letter(glob: str) -> str:
    raise ValueError(glob)
