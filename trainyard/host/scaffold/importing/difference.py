"""What an import changes, as a diff between the source and what is brought."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import PurePosixPath

from trainyard.host.monorepo.sources import shown
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Planned, Unit

NOTHING = "/dev/null"


def difference(tree: SourceTree, units: list[Unit]) -> Iterator[str]:
    """Lines, sorted by file; a stranger's text cannot move the cursor of whoever reads them."""
    for unit in units:
        for path, planned in unit.changed():
            yield f"# {path}: {planned.why}"
            yield from map(_visible, _of_file(tree, path, planned))
        for left in unit.left:
            yield f"# not brought: {left}"
        as_is = sum(one.content is None for one in unit.files.values())
        yield f"# {unit.folder}: {as_is} file(s) as they are, {len(list(unit.changed()))} changed or new"


def _of_file(tree: SourceTree, path: PurePosixPath, planned: Planned) -> Iterator[str]:
    before = tree.read(planned.source) if planned.source else b""
    after = planned.content or b""
    if b"\0" in before + after:
        yield f"Binary files a/{planned.source} and b/{path} differ"
        return
    yield from difflib.unified_diff(
        _lines(before), _lines(after), f"a/{shown(planned.source)}" if planned.source else NOTHING, f"b/{path}",
        lineterm="",
    )  # fmt: skip


def _lines(content: bytes) -> list[str]:
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    return text.removesuffix("\n").split("\n") if text else []


def _visible(line: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\t" else ascii(letter)[1:-1] for letter in line)
