"""Which packages a stranger's code wants, where no requirements file says it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import PurePosixPath

from trainyard.contract.missing_modules import DISTRIBUTIONS, OF_THE_SAME_NAME
from trainyard.contract.namesakes import SERVER, SHARED
from trainyard.host.scaffold.importing.python_code import Code
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import place

REQUIREMENTS = "requirements.txt"
# Have a stand-in in our images, for what models use of them.
STAND_INS = ("bentoml", "cog", "cortex", "maxfw")


def known_packages(codes: Iterable[Code], own: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """The distributions of what is imported, and the modules that nobody knows: whoever installs a stranger's package
    runs a stranger's code. ``own`` are modules of the source."""
    tops = {one.module.partition(".")[0] for code in codes for one in code.imports if not one.guarded}
    tops -= {*sys.stdlib_module_names, *SERVER, *SHARED, *STAND_INS, *own}
    known = {top: top if top in OF_THE_SAME_NAME else DISTRIBUTIONS.get(top, "") for top in tops}
    return sorted({name for name in known.values() if name}), sorted(top for top, name in known.items() if not name)


def without(lines: Iterable[str], *names: str) -> list[str]:
    """Requirements, but for those of the packages ``names``."""
    return [line for line in lines if package_of(line) not in names]


def package_of(line: str) -> str:
    """The package that a line is about, in the spelling of indexes."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        return canonicalize_name(Requirement(line.partition(" #")[0].strip()).name)
    except InvalidRequirement:
        return ""


def written(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def lines_of(tree: SourceTree, path: PurePosixPath) -> list[str]:
    """The lines of a requirements file, with those of the files that it names; options and comments stay."""
    found: list[str] = []
    _read(tree, path, found, set())
    return found


def _read(tree: SourceTree, path: PurePosixPath, found: list[str], seen: set[PurePosixPath]) -> None:
    if path in seen or not tree.has(path):
        return
    seen.add(path)
    for line in tree.text(path).split("\n"):
        words = line.split()
        if words[:1] in (["-r"], ["--requirement"]) and len(words) == 2:
            _read(tree, path.parent / words[1], found, seen)
        elif line.strip():
            found.append(line.rstrip())


def guessed(tree: SourceTree, paths: Iterable[PurePosixPath], to_do: list[str]) -> list[str]:
    """What the Python files ``paths`` import, as requirements without versions; the rest is for the user to do."""
    own = {name for path in tree.files if path.suffix == ".py" for name in (*path.parts[:-1], path.stem)}
    chosen = list(paths)
    packages, unknown = known_packages([Code(tree.read(path)) for path in chosen], own)
    if unknown:
        where = place(chosen[0].parent)
        to_do.append(f"{where}: imports {', '.join(unknown)}: add the packages that have them to {REQUIREMENTS}")
    return packages
