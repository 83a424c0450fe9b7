"""Files and folders elsewhere that the requirements of a model name: includes, constraints, packages beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.requirements.requirement_text import logical_lines, read_requirement_text

_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]*(\S+)")
_PACKAGE = re.compile(r"(?:(?:-e|--editable)[ =]*)?(?:[\w.-]+\s*@\s*)?(?:file:)?(\.{1,2}(?:/[^\s;\[]*)?)(?:[\s;\[].*)?")


def named_paths(model: Path) -> set[Path]:
    """The paths that requirements files of the folder ``model`` name, and those that included files name in turn. What
    cannot be read names none: a build says why."""
    found: set[Path] = set()
    waiting = sorted(model.glob("requirements*.txt"))
    while waiting:
        file = waiting.pop()
        for path, is_file in _named_in(file):
            if is_file and path not in found:
                waiting.append(path)
            found.add(path)
    return {path for path in found if not path.is_relative_to(model)}


def _named_in(file: Path) -> Iterator[tuple[Path, bool]]:
    """Each path, and whether it is a requirements file."""
    try:
        for line in logical_lines(file, read_requirement_text(file)):
            include = _INCLUDE.fullmatch(line.text)
            if match := include or _PACKAGE.fullmatch(line.text):
                yield (file.parent / match[1]).resolve(), include is not None
    except TrainyardError:
        return
