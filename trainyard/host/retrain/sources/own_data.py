"""Data that git does not have: a job of the service's own monorepo sees that of its work tree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError

DATA = "data"


def add_own_data(own: Path, checkout: Path) -> None:
    """Put what ``own``, a project's folder, has in data/ and the commit has not below data/ of ``checkout``: as other
    names of the files, which no training can write to in a container.

    Raises:
        TrainyardError: no space, no permission.
    """
    source, target = own / DATA, checkout / DATA
    try:
        for folder, _, names in os.walk(source):
            here = target / Path(folder).relative_to(source)
            here.mkdir(parents=True, exist_ok=True)
            for name in names:
                place = here / name
                if not place.exists() and not place.is_symlink():
                    _add(Path(folder) / name, place)
    except OSError as error:
        raise TrainyardError(
            f"{error.filename}: {error.strerror}", "check permissions and space", EXIT_FAILED
        ) from None


def _add(source: Path, place: Path) -> None:
    if source.is_symlink():
        shutil.copy(source, place)
        return
    try:
        os.link(source, place)
    except OSError:  # another file system
        shutil.copy(source, place)
