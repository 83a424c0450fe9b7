"""Routes: which function of which module answers which path, as ``ROUTES`` declares them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from trainyard.contract.environment import Environment
from trainyard.errors import TrainyardError

EXAMPLE = "my_model/predict:my_project.my_model.predict:predict_my_model"
CAME_TRAINED = "trainyard.models.came_trained"  # a TRAIN_MODULE
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PATH = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")
# Paths that the daemon answers itself.
RESERVED = ("docs", "health", "livez", "metrics", "openapi.json", "readyz")


@dataclass(frozen=True)
class Route:
    """``POST /<path>`` is answered by ``<module>.<function>``; ``where`` is the file and line that says so. In an image
    of several models, ``model_name`` is the one of them that it is of."""

    path: str
    module: str
    function: str
    where: str = ""
    model_name: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.module}:{self.function}"


def parse_routes(text: str, where: str) -> tuple[Route, ...]:
    """Parse ``route:module:function[,...]``.

    Raises:
        TrainyardError: no route, a route that is not three fields, a field that cannot be what it should be, a path
            that is claimed twice or belongs to the daemon.
    """
    routes: list[Route] = []
    for part in (field.strip() for field in text.split(",")):
        route = _parse_route(part, where)
        if any(route.path == other.path for other in routes):
            raise TrainyardError(f"{where}: ROUTES names the route {route.path!r} twice", "give each its own route")
        routes.append(route)
    return tuple(routes)


def _parse_route(part: str, where: str) -> Route:
    fields = [field.strip() for field in part.split(":")]
    if len(fields) != 3:
        raise TrainyardError(
            f"{where}: ROUTES has {part!r} with {len(fields)} field(s) where route:module:function has 3",
            f"write it like {EXAMPLE}",
        )
    path, module, function = fields[0].strip("/"), fields[1], fields[2]
    if not path:
        raise TrainyardError(f"{where}: ROUTES has an empty route in {part!r}", f"write it like {EXAMPLE}")
    if not _PATH.fullmatch(path) or ".." in PurePosixPath(path).parts:
        raise TrainyardError(
            f"{where}: the route {path!r} cannot be a URL path", "use letters, digits, '.', '_', '-' and '/'"
        )
    if path in RESERVED:
        raise TrainyardError(f"{where}: the route {path!r} belongs to the daemon", "choose another route")
    if not _DOTTED.fullmatch(module):
        raise TrainyardError(f"{where}: {module!r} is not a module name", "write package.module, without .py")
    if not _NAME.fullmatch(function):
        raise TrainyardError(f"{where}: {function!r} is not a function name", f"write it like {EXAMPLE}")
    return Route(path, module, function, where)


def routes_of(environment: Environment) -> tuple[Route, ...]:
    """The routes of a ``.s2i/environment`` file, checked against PREDICT_MODULE and PREDICT_FUNCTION.

    Raises:
        TrainyardError: as ``parse_routes``, or ROUTES is missing, or both PREDICT_* keys are given and no route
            calls that function.
    """
    routes = parse_routes(environment.need("ROUTES", EXAMPLE), environment.where("ROUTES"))
    module, function = environment.get("PREDICT_MODULE"), environment.get("PREDICT_FUNCTION")
    if module and function and not any((r.module, r.function) == (module, function) for r in routes):
        raise TrainyardError(
            f"{environment.where('PREDICT_MODULE')}: PREDICT_MODULE and PREDICT_FUNCTION say {module}:{function}, "
            f"but ROUTES says {', '.join(f'{r.module}:{r.function}' for r in routes)}",
            "make them agree, or drop the PREDICT_ lines",
        )
    names = _model_names(environment)
    return tuple(replace(route, model_name=names.get(route.path, "")) for route in routes)


def _model_names(environment: Environment) -> dict[str, str]:
    """By path, as ROUTE_MODELS says it: ``one/predict:one,two/predict:two``."""
    pairs = (part.strip().partition(":") for part in environment.get("ROUTE_MODELS", "").split(",") if part.strip())
    return {path: name for path, _, name in pairs}


def train_target(environment: Environment) -> tuple[str, str]:
    """``(module, function)`` that training calls; the function defaults to ``train``."""
    module = environment.need("TRAIN_MODULE", "my_project.my_model.train")
    function = environment.get("TRAIN_FUNCTION") or "train"
    where = environment.where("TRAIN_MODULE")
    if not _DOTTED.fullmatch(module):
        raise TrainyardError(f"{where}: {module!r} is not a module name", "write package.module, without .py")
    if not _NAME.fullmatch(function):
        raise TrainyardError(f"{environment.where('TRAIN_FUNCTION')}: {function!r} is not a function name")
    return module, function


def came_trained(environment: Environment) -> bool:
    """Whether there is nothing to train: the model was adopted or imported as it is."""
    return environment.get("TRAIN_MODULE") == CAME_TRAINED


def is_merged(environment: Environment) -> bool:
    """Whether several models share this image, so that one MODEL_NAME cannot be meant for all of them."""
    modules = {route.module for route in routes_of(environment)}
    return bool(environment.get("MERGED")) or len(modules) > 1
