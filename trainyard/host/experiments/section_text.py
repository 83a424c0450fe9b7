"""Changes one section in the text of a YAML file; all else stays as it is written, with its comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.experiments.yaml_files import dump_yaml, parse_text

INDENT = "  "


def with_values(path: Path, text: str, section: str, values: Mapping[str, str]) -> str:
    """The text with ``values`` in a section, which is added where there is none.

    Args:
        path: of the file, for messages.
        text: of the file.
        section: a key at the left margin.
        values: each on a line of its own, in place of the one that is there.

    Raises:
        TrainyardError: the section is written so that a line cannot be added, as in braces.
    """
    before = parse_text(path, text).content or {}
    wanted = {**before, section: {**(before.get(section) or {}), **values}}
    lines = text.splitlines()
    start, end = _block(lines, section)
    if start is None:
        blank = [""] if lines and lines[-1].strip() else []
        changed = [*lines, *blank, f"{section}:", *_lines(values, INDENT)]
    else:
        changed = [*lines[: start + 1], *_merged(lines[start + 1 : end], values), *lines[end:]]
    found = "\n".join(changed) + "\n"
    try:
        if parse_text(path, found).content == wanted:
            return found
    except TrainyardError:  # by what we have written
        pass
    place = f"{path}:{(start or 0) + 1}"
    shown = ", ".join(line.strip() for line in _lines(values, ""))
    raise TrainyardError(f"{place}: lines cannot be added to this section as it is written", f"write there: {shown}")


def _block(lines: list[str], section: str) -> tuple[int | None, int]:
    """Where the section's own line is, and where what belongs to it ends."""
    start = next((n for n, line in enumerate(lines) if re.match(rf"{re.escape(section)}\s*:", line)), None)
    if start is None:
        return None, len(lines)
    end = start + 1
    for number in range(start + 1, len(lines)):
        if lines[number][:1].strip() and not lines[number].startswith("#"):
            break
        if lines[number].strip() and lines[number][:1].isspace():
            end = number + 1
    return start, end


def _merged(lines: list[str], values: Mapping[str, str]) -> list[str]:
    own = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), INDENT)
    indent = own[: len(own) - len(own.lstrip())] or INDENT
    left, merged = dict(values), []
    for line in lines:
        found = re.match(rf"{indent}([\w-]+)\s*:(?=\s|$)", line)
        if found and found[1] in left:
            comment = re.search(r"\s+#[^'\"]*$", line)
            line = _lines({found[1]: left.pop(found[1])}, indent)[0] + (comment[0] if comment else "")
        merged.append(line)
    return [*merged, *_lines(left, indent)]


def _lines(values: Mapping[str, str], indent: str) -> list[str]:
    return [f"{indent}{dump_yaml({key: value}).rstrip()}" for key, value in values.items()]
