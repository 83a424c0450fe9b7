"""How a text changes, as ``diff -u`` shows it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator


def text_diff(before: str, after: str, old: str, new: str) -> Iterator[str]:
    """Lines without their ends; ``old`` and ``new`` are the names in the head. Line ends alone are no change."""
    return difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="")
