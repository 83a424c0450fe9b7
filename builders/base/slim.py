"""The tests that installed packages bring along.

Some packages import theirs at run time: what any module imports from a folder of tests, and what is imported from there
in turn, stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path

TESTS = "tests"
IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+)?import[ \t]+([^#\n]*)", re.MULTILINE)
NAME = re.compile(rb"[\w.]+")


def folders_of_tests(pool: Executor) -> set[str]:
    """Those that nothing imports. All paths are below site-packages, where this runs."""
    looked = list(pool.map(_look, sorted(str(path.parent) for path in Path().glob("*/__init__.py"))))
    folders = {folder for found, _ in looked for folder in found}
    wanted = [path for _, imported in looked for path in imported]
    kept: set[str] = set()
    while wanted:
        path = wanted.pop()
        found = {folder for folder in folders - kept if f"{path}/".startswith(f"{folder}/")}
        kept |= found
        wanted += _imported(str(module) for folder in found for module in Path(folder).rglob("*.py"))
    return folders - kept


def _look(package: str) -> tuple[list[str], list[str]]:
    """The folders of tests of a package, and what its modules that are in none of them import from any."""
    tests, modules = [], []
    for folder, folders, files in os.walk(package):
        if TESTS in folders:
            folders.remove(TESTS)
            tests += [f"{folder}/{TESTS}"] if Path(folder, TESTS, "__init__.py").is_file() else []
        modules += [f"{folder}/{name}" for name in files if name.endswith(".py")]
    return tests, _imported(modules)


def _imported(modules: Iterable[str]) -> list[str]:
    """The paths of what modules import that lies in a folder of tests."""
    contents = ((module, Path(module).read_bytes()) for module in modules)
    found = (path for module, content in contents if TESTS.encode() in content for path in _paths(module, content))
    return [path for path in found if TESTS in path.split("/")]


def _paths(module: str, content: bytes) -> Iterator[str]:
    """Where what a module imports would lie: `from ..a import b` may name the module a, or b in it."""
    parents = Path(module).parents
    for dots, source, names in IMPORT.findall(content):
        if len(dots) > len(parents):  # no import: a line of some text
            continue
        base = str(parents[len(dots) - 1]) if dots else ""
        for name in [b"", *NAME.findall(names)] if dots or source else NAME.findall(names):
            dotted = b".".join(part for part in (source, name) if part).decode()
            yield "/".join(part for part in (base, *dotted.split(".")) if part)
