"""The tests that installed packages bring along.

Some packages import theirs at run time: what any module imports from a folder of tests, and what is imported from there
in turn, stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

TESTS = "tests"
IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+)?import[ \t]+([^#\n]*)", re.MULTILINE)
NAME = re.compile(rb"[\w.]+")


def divide(files: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """What is kept in any case, and what of each folder of tests may be wanted. All paths are below site-packages."""
    paths = list(files)
    known = set(paths)
    kept: list[str] = []
    tests: dict[str, list[str]] = {}
    for path in paths:
        folder = _folder_of_tests(path, known)
        (tests.setdefault(folder, []) if folder else kept).append(path)
    return kept, tests


def _folder_of_tests(path: str, known: Collection[str]) -> str:
    """The outermost that a file lies in; empty where that is no package of a package."""
    before, found, _ = path.partition(f"/{TESTS}/")
    folder = f"{before}/{TESTS}"
    package = f"{path.partition('/')[0]}/__init__.py"
    return folder if found and package in known and f"{folder}/__init__.py" in known else ""


def wanted(tests: Collection[str], imported: Iterable[str]) -> set[str]:
    """Those folders of tests that something is imported from."""
    return {folder for path in imported for folder in tests if f"{path}/".startswith(f"{folder}/")}


def imported_tests(module: Path, content: bytes) -> Iterator[str]:
    """The paths of what a module imports that lies in a folder of tests."""
    if TESTS.encode() in content:
        yield from (path for path in _imported(module, content) if TESTS in path.split("/"))


def _imported(module: Path, content: bytes) -> Iterator[str]:
    """Where what a module imports would lie: `from ..a import b` may name the module a, or b in it."""
    parents = module.parents
    for dots, source, names in IMPORT.findall(content):
        if len(dots) > len(parents):  # no import: a line of some text
            continue
        base = str(parents[len(dots) - 1]) if dots else ""
        for name in [b"", *NAME.findall(names)] if dots or source else NAME.findall(names):
            dotted = b".".join(part for part in (source, name) if part).decode()
            yield "/".join(part for part in (base, *dotted.split(".")) if part)
