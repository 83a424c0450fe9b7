"""From the names in ``.s2i/environment`` to a function, or to the one line that says what to fix.

The check at build time, the daemon and the train runner all import the user's code through ``resolve``, so that a name
which passes the check cannot fail later for another reason than a missing model.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from trainyard.contract import confinement
from trainyard.contract.environment import Environment
from trainyard.contract.missing_modules import fix_of, modules
from trainyard.contract.namesakes import HARMLESS, MOUNTED, OF_PYTHON
from trainyard.contract.routes import Route, train_target
from trainyard.errors import ModelUnavailable, TrainyardError

UserFunction = Callable[[Any], Any]

ENVIRONMENT_FILE = Path(".s2i/environment")
COMPAT = os.path.realpath(Path(__file__).parent / "compat")  # stand-ins for historical modules
MODEL_NAME_VARIABLES = ("MODEL_NAME", "MODElNAME")
MODEL_NAME_HINT = (
    "an image of several models sets no MODEL_NAME: use trainyard.models.binaries.served_model_name(default)"
)
_LONGEST_CAUSE = 300  # characters of an exception's text that fit into one line


class Unresolvable(TrainyardError):
    """A module that cannot be imported, or without the function; its routes answer 503 if that is found out late."""

    http_status = 503


@dataclass(frozen=True)
class Target:
    """One function that ``.s2i/environment`` names; ``where`` is ``path:line: KEY``."""

    module: str
    function: str
    where: str
    requirements: str


def route_target(route: Route) -> Target:
    """The function that answers ``route``."""
    return Target(route.module, route.function, f"{route.where}: ROUTES", "requirements_predict.txt")


def training_target(environment: Environment) -> Target:
    """The train function of an environment."""
    module, function = train_target(environment)
    return Target(module, function, f"{environment.where('TRAIN_MODULE')}: TRAIN_MODULE", "requirements_train.txt")


def prepare_path(sources: Path, modules: Iterable[str] = ()) -> None:
    """Put ``sources`` first on ``sys.path``, and the stand-ins for historical modules last.

    ``modules``: of the routes. Those below a folder that hides an installed module are refused by ``resolve``.
    """
    root = str(sources)
    sys.path[:] = [root, *(entry for entry in sys.path if entry not in (root, COMPAT)), COMPAT]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _OnPath)]
    folders = {entry.name for entry in os.scandir(sources) if entry.is_dir()}
    # A folder without __init__.py comes after any module of its name, so a stand-in would hide a project.
    if projects := folders.intersection(Path(name).stem for name in Path(COMPAT).iterdir()):
        sys.meta_path.insert(0, _OnPath(projects, sys.path[:-1]))
    # Other models, and what they import, go on as if these folders were not there.
    if hidden := OF_PYTHON & folders | {top for top in map(_top, modules) if _namesake(top, sources)}:
        sys.meta_path.insert(0, _OnPath(hidden, sys.path[1:]))


class _OnPath(MetaPathFinder):
    """Finds modules of some names on another path than the others."""

    def __init__(self, names: Collection[str], path: Sequence[str]) -> None:
        self._names = names
        self._path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, self._path, target) if fullname in self._names else None


def refuse_namesake(target: Target, sources: Path) -> None:
    """Refuse a module below a folder that has the name of an installed module: only one of them can be imported.

    Raises:
        Unresolvable: naming both.
    """
    top = _top(target.module)
    if other := _namesake(top, sources):
        raise Unresolvable(
            f"{target.where}: the folder {top}/ has the name of an installed module ({other})",
            "rename the folder, also where .s2i/environment and imports name it",
        )


def _top(module: str) -> str:
    return module.partition(".")[0]


def _namesake(top: str, sources: Path) -> str:
    """Where a module lies that a folder of the sources has the name of; empty where there is none that matters."""
    folder = sources / top
    if not folder.is_dir() or (top in HARMLESS and (folder / "__init__.py").is_file()):
        return ""
    if top in sys.builtin_module_names:
        return "built into Python"
    own = {os.path.realpath(sources), COMPAT}
    found = PathFinder.find_spec(top, [entry for entry in sys.path if os.path.realpath(entry) not in own])
    origin = found.origin if found and found.loader else None
    return origin if origin and not _is_within(origin, folder) else ""


def _is_within(file: str, folder: Path) -> bool:
    return os.path.isdir(parent := os.path.dirname(file)) and os.path.samefile(parent, folder)  # noqa: PTH112, PTH120, PTH121


def resolve(target: Target, sources: Path) -> UserFunction:
    """Import the target's module and return its function.

    Raises:
        ModelUnavailable: the module wants something when it is imported that only a running container has: a file
            below ``models/`` or ``data/``, or MODEL_NAME. It may resolve later.
        Unresolvable: anything else; the message is one line with the place in the user's code, if there is one.
    """
    refuse_namesake(target, sources)
    module = _import(target, sources)
    function = getattr(module, target.function, None)
    file = _relative(getattr(module, "__file__", None) or "", sources) or target.module
    if function is None:
        raise Unresolvable(
            f"{target.where}: module {target.module!r} has no function {target.function!r} ({file})",
            _suggest_function(module, target.function),
        )
    if not callable(function):
        raise Unresolvable(
            f"{target.where}: {target.module}.{target.function} is not callable, it is a "
            f"{type(function).__name__} ({file})",
            "name a function",
        )
    resolved: UserFunction = function
    return resolved


def _import(target: Target, sources: Path) -> ModuleType:
    try:
        return importlib.import_module(target.module)
    except (Exception, SystemExit) as error:
        if wanted := _wanted_at_run_time(error, sources):
            raise ModelUnavailable(
                f"{target.where}: module {target.module!r} needs {wanted} when it is imported{_place(error, sources)}",
                MODEL_NAME_HINT
                if missing_model_name(error)
                else "run make train, or load the model inside the function",
            ) from error
        raise Unresolvable(
            f"{target.where}: module {target.module!r} cannot be imported: {_cause(error)}{_place(error, sources)}",
            _fix(error, target, sources),
        ) from error


def _wanted_at_run_time(error: BaseException, sources: Path) -> str:
    """What a running container has and a build has not, if that is what ``error`` is about; else ""."""
    if isinstance(error, ModelUnavailable):
        return str(error.message)
    return missing_model_name(error) or missing_below(error, sources, MOUNTED)


def missing_model_name(error: BaseException) -> str:
    """The variable of the model's name, if ``error`` says that ``os.environ`` has none; else ""."""
    if isinstance(error, KeyError) and error.args and error.args[0] in MODEL_NAME_VARIABLES:
        return str(error.args[0])
    return ""


def missing_below(error: BaseException, sources: Path, folders: tuple[str, ...]) -> str:
    """The path that a FileNotFoundError is about, relative to ``sources``, if it lies in one of ``folders``."""
    if not isinstance(error, FileNotFoundError) or not isinstance(error.filename, str):
        return ""
    # A train function runs elsewhere, in a view of the sources; resolve() would follow the links there.
    path = _relative(os.path.normpath(sources / error.filename), sources)
    return path if path.split("/")[0] in folders else ""


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r})"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    line = " ".join(str(text).split())
    if len(line) > _LONGEST_CAUSE:
        line = line[:_LONGEST_CAUSE] + "..."
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _place(error: BaseException, sources: Path) -> str:
    """`` (x/predict.py:3)``: the innermost line of the user's code that led to ``error``; "" where there is none."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    for filename, line in reversed(places):
        relative = _relative(filename, sources)
        if relative and "site-packages" not in relative:
            return f" ({relative}:{line})"
    return ""


def _relative(filename: str, sources: Path) -> str:
    """``filename`` as seen from ``sources``; "" where it lies elsewhere."""
    root = os.path.abspath(sources)  # noqa: PTH100 -- as import machinery sees it, without following links
    return filename[len(root) + 1 :] if filename.startswith(root + os.sep) else ""


def _fix(error: BaseException, target: Target, sources: Path) -> str:
    if isinstance(error, SystemExit):
        return 'put it below if __name__ == "__main__":'
    if found := confinement.hint(error):
        return found
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return "fix that line" if _place(error, sources) else "fix the module"
    if target.module == error.name or target.module.startswith(f"{error.name}."):
        return _suggest_module(target.module, sources)
    importer = _place(error, sources)[2:].partition(":")[0]
    return fix_of(error.name, importer, sources, target.requirements)


def _suggest_module(name: str, sources: Path) -> str:
    close = difflib.get_close_matches(name, sorted(modules(sources)), n=1)
    return f"did you mean {close[0]}?" if close else f"there is no {name.replace('.', '/')}.py in the sources"


def _suggest_function(module: ModuleType, name: str) -> str:
    functions = sorted(known for known, value in vars(module).items() if callable(value) and not known.startswith("_"))
    close = difflib.get_close_matches(name, functions, n=1)
    return f"did you mean {close[0]}?" if close else f"write def {name}(msg)"
