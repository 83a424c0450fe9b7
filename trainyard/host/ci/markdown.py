"""Markdown of GitHub and GitLab, in which text of others stays text.

A character that has a meaning, there or in HTML, is written as an entity: an entity is shown, and never read as a mark.
Text of others stands in ``<code>``, where neither host looks for people, issues and links.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote

# An underscore between letters is plain, and so are the dots of numbers and files.
_MARKS = re.compile(r"[\\`*{}\[\]()<>#!|~@&$:\"'^]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=www)\.", re.IGNORECASE)
_UNSHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # controls, marks of direction, halves of characters
MOST = 500  # characters of one text


def text(content: object) -> str:
    """``content`` on one line, with nothing in it that means something."""
    shown = "".join(" " if unicodedata.category(char) in _UNSHOWN else char for char in str(content))
    shown = " ".join(shown.split())
    shown = shown if len(shown) <= MOST else f"{shown[: MOST - 3]}..."
    return _MARKS.sub(lambda found: f"&#{ord(found[0])};", shown)


def code(content: object) -> str:
    """The same as code; nothing where there is nothing."""
    shown = text(content)
    return f"<code>{shown}</code>" if shown else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> list[str]:
    """Lines of a table whose cells are Markdown already; the columns ``numbers`` are aligned right."""
    right = set(numbers)
    rule = ["---:" if index in right else "---" for index in range(len(header))]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def image(description: str, path: str) -> str:
    """A picture. The path is a file's."""
    return f"![{text(description)}]({quote(path)})"
