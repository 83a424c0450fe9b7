"""Which packages a training had, and where those of the environment that serves its model are others.

Compared are versions that are installed, not lock files: train and predict images have different requirements, so
their locks differ, and only what both have can matter to a model.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib import metadata
from typing import Any

# What every image has for the daemon, builders/base/requirements.txt; a newer one of these changes no model.
OF_DAEMON = ("flask", "gunicorn", "httptools", "orjson")
SHOWN = 5


def of_training(imported: Collection[str]) -> dict[str, str]:
    """The packages installed here and their versions, but for the daemon's that the training has not ``imported``."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        if one.name:  # a folder that an interrupted pip left has none
            found.setdefault(_normal(one.name), one.version)  # the first on the path is the one that is imported
    kept = {_normal(name) for name in imported}
    return {name: found[name] for name in sorted(found.keys() - (_needed_by(OF_DAEMON) - kept))}


def difference(record: dict[str, Any]) -> str:
    """The packages that are installed here in another version than when the model of ``record`` was trained; empty
    where there are none, or where the record does not say."""
    then = record.get("installed")
    found = []
    for name, version in sorted(then.items()) if isinstance(then, dict) else ():
        here = _version(str(name))
        if here and here != version:
            found.append(f"{name} {version} (here {here})")
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _needed_by(names: Collection[str]) -> set[str]:
    """These packages and all that they require."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = _normal(pending.pop())
        if name not in found and _version(name):
            found.add(name)
            required = [line for line in metadata.requires(name) or () if "extra ==" not in line]
            pending += [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required]
    return found


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):  # ValueError: a name that a damaged record gives
        return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
