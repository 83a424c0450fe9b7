"""Finds the files that an experiment names: ``latest``, or a name, in the project's data folder."""

from __future__ import annotations

import re
from pathlib import Path

from trainyard.errors import TrainyardError

LATEST, SUFFIX = "latest", ".csv"
_NUMBER = re.compile(r"\d+")


def data_folder(data: Path, *names: str) -> tuple[Path, bool]:
    """The folder in ``data`` that has all of the names, the first around the second, or the last of them, or one;
    ``data`` itself where there is none such, and whether the names led anywhere."""
    given = [name for name in names if name]
    for parts in (given, given[-1:], given[:1]):
        folder = data.joinpath(*parts)
        if parts and ".." not in Path(*parts).parts and folder.is_relative_to(data) and folder.is_dir():
            return folder, True
    return data, not given


def dataset(folder: Path, wanted: str, purpose: str, where: str) -> Path:
    """The file in ``folder`` that ``wanted`` names; ``latest``: the newest for ``purpose``, train or test.

    Raises:
        TrainyardError: there is none, or it is not clear which one; the message begins with ``where``.
    """
    there = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    if wanted != LATEST:
        for path in there:
            if wanted in (path.name, path.stem):
                return path
        names = ", ".join(path.name for path in there) or "no CSV file"
        raise TrainyardError(f"{where}: there is no {wanted} in {folder}", f"it has {names}")
    named = [path for path in there if purpose in path.stem.lower()]
    if not named and purpose == "train":
        named = [path for path in there if "test" not in path.stem.lower()]
    versioned = [path for path in named if version(path)]
    if not versioned:
        fix = f"name a file, or put one there with a number or a date in its name, as {purpose}_v2{SUFFIX}"
        raise TrainyardError(f"{where}: latest finds no versioned file for {purpose} in {folder}", fix)
    kinds = sorted({_NUMBER.sub("#", path.name) for path in versioned})
    if len(kinds) > 1:
        raise TrainyardError(
            f"{where}: latest cannot compare {' with '.join(kinds)} in {folder}", "name the file, or move the others"
        )
    newest = max(map(version, versioned))
    found = [path for path in versioned if version(path) == newest]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise TrainyardError(f"{where}: latest finds {names}, which are of one version", "name the file")
    return found[0]


def version(path: Path) -> tuple[int, ...]:
    """The numbers in a name: ``train_v9.csv`` is before ``train_v12.csv``, a date is compared from its year on."""
    return tuple(map(int, _NUMBER.findall(path.stem)))
