"""What symbolic links of a model's sources lead to: it is in the images as well, wherever in the monorepo it lies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from trainyard.host.monorepo.sources import excluded

LONGEST = 40  # links in a row; Linux follows no more


def link_targets(places: Iterable[Path], root: Path) -> set[PurePosixPath]:
    """The paths below ``root`` that links at or below ``places`` lead to: every step of a chain, and what links in
    there lead to in turn."""
    found: set[Path] = set()
    waiting = list(places)
    while waiting:
        for link in _links(waiting.pop()):
            new = {step for step in _steps(link) if step.is_relative_to(root)} - found
            found |= new
            waiting += new
    return {PurePosixPath(path.relative_to(root)) for path in found}


def _links(place: Path) -> Iterator[Path]:
    if place.is_symlink():
        yield place
        return
    for parent, folders, files in os.walk(place):
        folders[:] = [name for name in folders if not excluded(name)]
        paths = (Path(parent, name) for name in (*folders, *files) if not excluded(name))
        yield from (path for path in paths if path.is_symlink())


def _steps(link: Path) -> Iterator[Path]:
    for _ in range(LONGEST):
        if not link.is_symlink():
            return
        link = Path(os.path.normpath(link.parent.resolve() / link.readlink()))
        yield link
