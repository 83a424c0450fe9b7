"""What a stranger's Makefile and shell scripts say, read as text: make is never called on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_ASSIGNMENT = re.compile(r"(?:export\s+|override\s+)*([A-Za-z_][\w.]*)\s*(?:::?:?|\?)?=\s*(.*)")
_TARGET = re.compile(r"^([A-Za-z][\w.-]*)\s*:(?!=)", re.MULTILINE)
_BUILDER = re.compile(r"\S*cortex-s2i-\S+|(?<=\s)\S+/s2i-\S+:\S+")
_OF_BUILD = re.compile(r"s2i\s+build\s+([^\n;&|#]*)")
_OTHER_CONTEXT = re.compile(r"^\s*(?:cp|rsync)\s+(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Assigned:
    """The value of a variable, without quotes, and its line; ``computed``: only make could tell."""

    text: str
    line: int

    @property
    def computed(self) -> bool:
        return "$" in self.text or "`" in self.text


def variables_of(text: str) -> dict[str, Assigned]:
    """The assignments outside of recipes; the last of a name counts, and one is looked up in those before it."""
    found: dict[str, Assigned] = {}
    for number, line in _whole_lines(text):
        if line.startswith("\t") or not (match := _ASSIGNMENT.fullmatch(line.strip())):
            continue
        value = re.sub(r"(^|\s)#.*", "", match[2]).strip().strip("\"'").strip()
        found[match[1]] = Assigned(_expanded(value, found), number)
    return found


def _whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that a backslash continues them by, and the number of the first."""
    before, start = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        start = start if before else number
        if line.endswith("\\"):
            before += line[:-1] + " "
        else:
            yield start, before + line
            before = ""


def _expanded(value: str, before: Mapping[str, Assigned]) -> str:
    """With the values of names that stand in it, where those are written out."""
    known = {name: one.text for name, one in before.items() if not one.computed}
    return re.sub(r"\$[({](\w+)[)}]", lambda name: known.get(name[1], name[0]), value)


def targets_of(text: str) -> list[str]:
    """The names of its targets, in their order."""
    return list(dict.fromkeys(name for name in _TARGET.findall(text) if not name.startswith(".")))


def builders_of(text: str) -> list[str]:
    """The builder images that it names, with their tags."""
    return list(dict.fromkeys(name.strip("\"'") for name in _BUILDER.findall(text)))


def image_of(text: str) -> str:
    """The image that its ``s2i build`` makes, if that is written out."""
    for match in _OF_BUILD.finditer(text):
        named = [word for word in str(match[1]).split() if not word.startswith("-")]
        if len(named) == 3 and "$" not in named[2]:
            return named[2].strip("\"'")
    return ""


def copied_by(script: str) -> set[str]:
    """The first parts of the paths that a build script copies: what its images hold besides the model."""
    found = set()
    for words in _OTHER_CONTEXT.findall(script):
        for word in words.split():
            parts = [part for part in PurePosixPath(word.strip("\"'")).parts if part not in ("..", ".", "/")]
            if parts and re.fullmatch(r"[\w.-]+", parts[0]) and not word.startswith("-"):
                found.add(parts[0])
    return found
