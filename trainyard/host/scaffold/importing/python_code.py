"""A stranger's Python, read by ``ast``: what it imports, defines and names, and the same with modules that moved."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

DEEPEST = 50  # names in a dotted one


@dataclass(frozen=True)
class Import:
    """One module that a line imports; ``names`` of a ``from`` import. ``guarded``: in a ``try``."""

    module: str
    names: tuple[str, ...]
    line: int
    guarded: bool


@dataclass(frozen=True)
class Function:
    """A function, or a method without its first parameter. ``annotations`` are those of the parameters, as text."""

    name: str
    line: int
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    annotations: tuple[str, ...]
    decorators: tuple[str, ...]


@dataclass(frozen=True)
class Class:
    """A class with its bases, decorators and methods."""

    name: str
    line: int
    bases: tuple[str, ...]
    decorators: tuple[str, ...]
    methods: Mapping[str, Function]


@dataclass(frozen=True)
class Code:
    """One Python file; ``tree`` is None where it cannot be parsed, and ``error`` says why, with the line."""

    content: bytes

    @cached_property
    def _parsed(self) -> tuple[ast.Module | None, str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.content), ""
        except SyntaxError as error:
            return None, f"line {error.lineno or 0}: {error.msg}"
        except (ValueError, RecursionError, MemoryError) as error:
            return None, str(error) or type(error).__name__

    @property
    def tree(self) -> ast.Module | None:
        return self._parsed[0]

    @property
    def error(self) -> str:
        return self._parsed[1]

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree) if self.tree else iter(())

    @cached_property
    def imports(self) -> list[Import]:
        """Absolute imports, wherever in the file."""
        guarded = {id(inner) for node in self.nodes() if isinstance(node, ast.Try) for inner in ast.walk(node)}
        found = []
        for node in self.nodes():
            if isinstance(node, ast.Import):
                found += [Import(alias.name, (), node.lineno, id(node) in guarded) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = tuple(alias.name for alias in node.names)
                found.append(Import(node.module, names, node.lineno, id(node) in guarded))
        return found

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Those at the top of the module."""
        body = self.tree.body if self.tree else []
        return {node.name: _function(node) for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    @cached_property
    def classes(self) -> dict[str, Class]:
        body = self.tree.body if self.tree else []
        return {node.name: _class(node) for node in body if isinstance(node, ast.ClassDef)}

    def strings(self) -> Iterator[tuple[str, int]]:
        """Every literal text with its line."""
        for node in self.nodes():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, node.lineno

    def uses_of(self, name: str) -> list[int]:
        """The lines that read a variable of that name."""
        return sorted(
            {node.lineno for node in self.nodes() if isinstance(node, ast.Name) and node.id == name
             and isinstance(node.ctx, ast.Load)}
        )  # fmt: skip

    def attributes_of(self, name: str) -> dict[str, int]:
        """What is taken of a module of that name, ``models.get`` of ``bentoml.models.get()``, each with a line."""
        found: dict[str, int] = {}
        for node in self.nodes():
            dotted = dotted_name(node)
            if dotted.startswith(f"{name}."):
                found.setdefault(dotted.removeprefix(f"{name}."), getattr(node, "lineno", 0))
        return found


def dotted_name(node: ast.AST) -> str:
    """``a.b.c`` of such an expression; empty for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < DEEPEST:
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _text(node: ast.AST) -> str:
    """An expression as Python writes it; empty where it is nested too deeply for that."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool = False) -> Function:
    given = [*node.args.posonlyargs, *node.args.args][1 if method else 0 :]
    without = len(given) - len(node.args.defaults)
    only = [
        arg.arg for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None
    ]
    every = [*given, *node.args.kwonlyargs]
    return Function(
        node.name,
        node.lineno,
        tuple(arg.arg for arg in every),
        (*(arg.arg for arg in given[: max(without, 0)]), *only),
        tuple(_text(arg.annotation) if arg.annotation else "" for arg in every),
        _decorators(node),
    )


def _class(node: ast.ClassDef) -> Class:
    methods = {
        inner.name: _function(inner, method=True)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return Class(node.name, node.lineno, tuple(map(_text, node.bases)), _decorators(node), methods)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[str, ...]:
    return tuple(map(_text, node.decorator_list))


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def moved(name: str, moves: Mapping[str, str]) -> str:
    """A dotted name after the moves of modules: the longest that it begins with counts."""
    for length in range(name.count(".") + 1, 0, -1):
        head = ".".join(name.split(".")[:length])
        if head in moves:
            return moves[head] + name[len(head) :]
    return name


def with_moves(content: bytes, moves: Mapping[str, str]) -> bytes:
    """The same file, in which the imports of moved modules, and what is named by them, follow; else it is unchanged."""
    code = Code(content)
    if not moves or code.tree is None:
        return content
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding).encode()
    except (SyntaxError, UnicodeDecodeError):
        return content
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    edits = [*_import_edits(code, text, starts, moves), *_name_edits(code, starts, moves)]
    for edit in sorted(_outermost(edits), key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text.encode() + text[edit.end :]
    return text.decode().encode(encoding) if edits else content


def _outermost(edits: list[_Edit]) -> Iterator[_Edit]:
    """Of ``a.b`` and the ``a`` in it, which have moved both, the whole counts."""
    reached = 0
    for edit in sorted(edits, key=lambda one: (one.start, -one.end)):
        if edit.start >= reached:
            reached = edit.end
            yield edit


def _import_edits(code: Code, text: bytes, starts: list[int], moves: Mapping[str, str]) -> Iterator[_Edit]:
    for node in code.nodes():
        if isinstance(node, ast.Import):
            for alias in node.names:
                if (new := moved(alias.name, moves)) != alias.name:
                    start = starts[alias.lineno - 1] + alias.col_offset
                    yield _Edit(start, start + len(alias.name.encode()), new)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            parents = {alias.name: moved(f"{node.module}.{alias.name}", moves) for alias in node.names}
            if all(new == f"{node.module}.{name}" for name, new in parents.items()):
                continue
            start, end = (
                starts[node.lineno - 1] + node.col_offset,
                starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
            )
            new = moved(node.module, moves)
            if all(one == f"{new}.{name}" for name, one in parents.items()):
                at = text.index(node.module.encode(), start + len("from"))
                yield _Edit(at, at + len(node.module.encode()), new)
            else:
                yield _Edit(start, end, "; ".join(_split(node, parents)))


def _split(node: ast.ImportFrom, parents: Mapping[str, str]) -> Iterator[str]:
    """A ``from`` import of names that have come to be in different modules, as one statement for each."""
    for alias in node.names:
        package, _, name = parents[alias.name].rpartition(".")
        known = alias.asname or alias.name
        yield f"from {package} import {name}" + (f" as {known}" if known != name else "")


def _name_edits(code: Code, starts: list[int], moves: Mapping[str, str]) -> Iterator[_Edit]:
    """``a.b.c()`` after ``import a.b``: the name is that of the module."""
    plain = {
        alias.name
        for node in code.nodes()
        if isinstance(node, ast.Import)
        for alias in node.names
        if not alias.asname and moved(alias.name, moves) != alias.name
    }
    for node in code.nodes():
        name = dotted_name(node)
        if name in moves and any(f"{one}.".startswith(f"{name}.") for one in plain):
            start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            yield _Edit(start, start + len(name.encode()), moves[name])
