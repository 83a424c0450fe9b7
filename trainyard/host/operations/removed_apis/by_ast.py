"""Finds in a file of code what the table names, by its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainyard.host.operations.removed_apis.finding import Finding
from trainyard.host.operations.removed_apis.table import (
    ARGUMENTS,
    CHANGED,
    IMPORTED_AS,
    METHODS,
    NAMES,
    PANDAS,
    PYTHON,
    Removed,
)

if TYPE_CHECKING:
    from packaging.version import Version

Versions = Mapping[str, "Version"]  # of each package that is locked; python's, too
STRINGS = "3.0"  # the pandas since which a column of strings is no object
OBJECT = ("object", "O")


def find_removed(path: Path, text: str, versions: Versions) -> list[Finding]:
    """What of the file the locked versions do not have any more.

    Raises:
        SyntaxError: it is not Python, or that of another version.
        ValueError: it has null bytes.
    """
    tree = ast.parse(text)
    seen = _Seen(path, versions, _aliases(tree))
    return sorted({finding for node in ast.walk(tree) for finding in seen.in_node(node)})


class _Seen:
    """One file, with what each name in it was imported as."""

    def __init__(self, path: Path, versions: Versions, names: Mapping[str, str]) -> None:
        self._path, self._versions, self._names = path, versions, names

    def in_node(self, node: ast.AST) -> Iterator[Finding]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from self._in_import(node)
        elif isinstance(node, ast.Call):
            yield from self._in_call(node)
        elif isinstance(node, ast.Attribute):
            yield from self._in_attribute(node)
        elif isinstance(node, ast.Compare):
            yield from self._in_comparison(node)

    def _in_import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Finding]:
        for name in _imported(node):
            for row in NAMES:
                if (name == row.name or name.startswith(f"{row.name}.")) and self._is_gone(row):
                    yield self._finding(node, f"{row.name} was removed in", row)

    def _in_attribute(self, node: ast.Attribute) -> Iterator[Finding]:
        for row in NAMES:
            if self._dotted(node) == row.name and self._is_gone(row):
                yield self._finding(node, f"{row.name} was removed in", row)
        for method in () if self._dotted(node) else METHODS:
            if node.attr == method.name and not method.argument and self._is_gone(method):
                yield self._finding(node, f".{method.name} was removed in", method)

    def _in_call(self, node: ast.Call) -> Iterator[Finding]:
        name = self._dotted(node.func)
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        yield from self._in_arguments(name, given)
        for change in CHANGED:
            if name == change.name and change.argument not in given and self._is_gone(change):
                yield self._finding(node, f"{name}(...) {change.what} since", change)
        if isinstance(node.func, ast.Attribute):
            yield from self._in_method(node, node.func, given)

    def _in_arguments(self, name: str, given: Mapping[str, ast.expr]) -> Iterator[Finding]:
        callable_name = name.rpartition(".")[2]
        for row in ARGUMENTS:
            if not name.startswith(f"{IMPORTED_AS[row.package]}.") or callable_name not in row.callables:
                continue
            value = given.get(row.name)
            if value is not None and self._is_gone(row) and (row.value is None or _is(value, row.value)):
                shown = f"{row.name}={'...' if row.value is None else repr(row.value)}"
                yield self._finding(value, f"{callable_name}({shown}) was removed in", row)

    def _in_method(self, node: ast.Call, method: ast.Attribute, given: Mapping[str, ast.expr]) -> Iterator[Finding]:
        for row in METHODS:
            if row.argument in given and method.attr == row.name and self._is_gone(row):
                yield self._finding(method, f".{row.name}({row.argument}=...) was removed in", row)
        if method.attr == "select_dtypes" and any(_is(one, *OBJECT) for one in _values(node)):
            yield from self._no_object(node)

    def _in_comparison(self, node: ast.Compare) -> Iterator[Finding]:
        sides = (node.left, *node.comparators)
        of_dtype = any(isinstance(side, ast.Attribute) and side.attr == "dtype" for side in sides)
        if of_dtype and any(_is(side, *OBJECT) for side in sides):
            yield from self._no_object(node)

    def _no_object(self, node: ast.expr) -> Iterator[Finding]:
        row = Removed(PANDAS, STRINGS, "ask pandas.api.types.is_string_dtype, or name both")
        if self._is_gone(row):
            yield self._finding(node, "a column of strings is str, not object, since", row)

    def _finding(self, node: ast.stmt | ast.expr, what: str, row: Removed) -> Finding:
        line = node.end_lineno if isinstance(node, ast.Attribute) else node.lineno  # that of its last part
        package = row.package.capitalize() if row.package == PYTHON else row.package
        return Finding(self._path, line or node.lineno, f"{what} {package} {row.version}", row.fix)

    def _is_gone(self, row: Removed) -> bool:
        from packaging.version import Version

        locked = self._versions.get(row.package)
        return locked is not None and locked >= Version(row.version)

    def _dotted(self, node: ast.AST) -> str:
        """What a name or an attribute is by the imports of the file; empty where they do not say it."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, "")
        if isinstance(node, ast.Attribute) and (owner := self._dotted(node.value)):
            return f"{owner}.{node.attr}"
        return ""


def _aliases(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if node.module and not node.level else []


def _is(node: ast.AST, *texts: str) -> bool:
    """Whether it is one of these strings, or the builtin of that name."""
    return (isinstance(node, ast.Constant) and node.value in texts) or (
        isinstance(node, ast.Name) and node.id == "object" and node.id in texts
    )


def _values(call: ast.Call) -> Iterator[ast.AST]:
    """Its arguments, and what is in lists among them."""
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        yield from value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
