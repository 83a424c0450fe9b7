"""Whether a function is where ``.s2i/environment`` says, as far as that can be read without running anything."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.sources import SHARED
from trainyard.host.support.product import PACKAGE

OWN = "trainyard"


def missing_function(root: Path, project: Path, module: str, function: str) -> str:
    """Why ``module`` has no ``function``; empty where it has, or where only running it would tell.

    Args:
        root: the monorepo.
        project: the model's project, a package of that name.
        module: a dotted name.
        function: the name of a function in it.

    Raises:
        TrainyardError: the module's file cannot be read or parsed; with its line.
    """
    first, *rest = module.split(".")
    tops = {project.name: project, OWN: PACKAGE, **{name: root / name for name in SHARED}}
    if first not in tops or (first == OWN and not rest):
        return ""  # a module beside the model, or of a package
    place = tops[first].joinpath(*rest)
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    if not path.is_file():
        return f"there is no {path.relative_to(root) if path.is_relative_to(root) else path}"
    names = _names(path)
    return "" if names is None or function in names else f"{path.name} defines no {function}"


@functools.lru_cache(maxsize=256)
def _names(path: Path) -> frozenset[str] | None:
    """What a module has at its top; None where that is only known to who runs it."""
    try:
        tree = ast.parse(read_text(path))
    except SyntaxError as error:
        raise TrainyardError(f"{path}:{error.lineno or 0}: {error.msg}", "fix the line") from None
    except ValueError as error:  # null bytes
        raise TrainyardError(f"{path}: {error}", "save it as a text file") from None
    found: set[str] = set()
    dynamic = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            dynamic = dynamic or node.id in ("globals", "vars", "setattr", "exec")
            if isinstance(node.ctx, ast.Store):
                found.add(node.id)
    dynamic = dynamic or bool({"*", "__getattr__", "globals"} & found)
    return None if dynamic else frozenset(found)
