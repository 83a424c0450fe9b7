"""What a commit's message asks for: ``[train]``, ``[train <project>/<model> ...]``, ``[tune ...]``, ``[cml]``.

The message is anybody's text. It is read here, and handed to no program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(r"\s*\[(train|tune|cml)((?:[ \t]+[^\s\[\]]+)*)[ \t]*\]")
MARKS = "[train], [tune] or [cml]"


@dataclass(frozen=True)
class Asked:
    """``models`` are names as <project>/<model>; none: those that the change touches."""

    tunes: bool
    models: tuple[str, ...]


def asked_by(message: str) -> Asked | None:
    """What a message begins with; None where that is no mark."""
    found = _MARK.match(message)
    return Asked(found[1] == "tune", tuple(dict.fromkeys(found[2].split()))) if found else None
