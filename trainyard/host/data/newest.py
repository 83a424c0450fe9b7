"""Which file or folder a name means: ``latest`` and patterns mean the newest version, by the numbers in the names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.dataset_ref import LATEST, is_latest, is_pattern

CSV = ".csv"
_NUMBER = re.compile(r"\d+")
_MOST_NAMES = 10  # that a hint lists


def chosen(names: Iterable[str], wanted: str, purpose: str, where: str, folder: str, suffix: str = "") -> str:
    """The one of ``names`` that ``wanted`` means: a name, ``latest``, or a pattern of the shell.

    Args:
        names: of the files and folders there are.
        purpose: train or test: ``latest`` takes those that have it in their names.
        where: what a message begins with.
        folder: what holds them, for messages.
        suffix: of the only ones that count; a name may leave it out.

    Raises:
        TrainyardError: there is none, or it is not clear which one.
    """
    there = sorted(name for name in names if name.endswith(suffix))
    if wanted in there:
        return wanted
    if is_latest(wanted):
        there = [name for name in there if name.endswith(wanted.removeprefix(LATEST))]
        named = [name for name in there if purpose in _stem(name).lower()]
        if not named and purpose == "train":
            named = [name for name in there if "test" not in _stem(name).lower()]
        example = f"{purpose}_v2{suffix or wanted.removeprefix(LATEST)}"
        return _newest(named, wanted, where, folder, example, f" for {purpose}")
    if is_pattern(wanted):
        named = [name for name in there if fnmatchcase(name, wanted)]
        if len(named) == 1:
            return named[0]
        return _newest(named, wanted, where, folder, f"v2{suffix}")
    for name in there:
        if suffix and wanted == _stem(name):
            return name
    more = f" and {len(there) - _MOST_NAMES} more" if len(there) > _MOST_NAMES else ""
    known = ", ".join(there[:_MOST_NAMES]) + more or ("no CSV file" if suffix else "nothing")
    raise TrainyardError(f"{where}: there is no {wanted} in {folder}", f"it has {known}")


def _newest(names: list[str], wanted: str, where: str, folder: str, example: str, what: str = "") -> str:
    versioned = [name for name in names if version(name)]
    if not versioned:
        fix = f"name a file, or put one there with a number or a date in its name, as {example}"
        raise TrainyardError(f"{where}: {wanted} finds no versioned file{what} in {folder}", fix)
    kinds = sorted({_NUMBER.sub("#", name) for name in versioned})
    if len(kinds) > 1:
        raise TrainyardError(
            f"{where}: {wanted} cannot compare {' with '.join(kinds[:_MOST_NAMES])} in {folder}",
            "name the file, or move the others",
        )
    newest = max(map(version, versioned))
    found = [name for name in versioned if version(name) == newest]
    if len(found) > 1:
        raise TrainyardError(
            f"{where}: {wanted} finds {' and '.join(found)}, which are of one version", "name the file"
        )
    return found[0]


def version(name: str) -> tuple[int, ...]:
    """The numbers in a name: ``train_v9.csv`` is before ``train_v12.csv``, a date is compared from its year on."""
    return tuple(map(int, _NUMBER.findall(_stem(name))))


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
