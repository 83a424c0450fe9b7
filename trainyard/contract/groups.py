"""Groups of models whose requirements clash: each has an environment and worker processes of its own in one image.

A merged ``.s2i/environment`` says which routes are of which: ``ROUTE_GROUPS=one/predict,two/predict;three/predict``. By
routes and not by models, since they are what a server has to tell apart; not as ``GROUPS``: bash has its own of that.
"""

from __future__ import annotations

from collections.abc import Iterable

from trainyard.contract.environment import Environment
from trainyard.contract.routes import Route, routes_of
from trainyard.errors import TrainyardError

KEY = "ROUTE_GROUPS"
Groups = tuple[tuple[Route, ...], ...]


def groups_of(environment: Environment) -> Groups:
    """The routes of each group, in the order of ROUTES; one group where the environment does not say more.

    Raises:
        TrainyardError: as ``routes_of``, or a route is in no group or in several, or in one and not in ROUTES.
    """
    routes = routes_of(environment)
    text = environment.get(KEY, "")
    if not text:
        return (routes,)
    groups = [[path.strip().strip("/") for path in part.split(",")] for part in text.split(";")]
    named = [path for group in groups for path in group]
    if sorted(named) != sorted(route.path for route in routes):
        raise TrainyardError(
            f"{environment.where(KEY)}: {KEY} does not have each route of ROUTES once", "build the image anew"
        )
    return tuple(tuple(route for route in routes if route.path in group) for group in groups)


def written(groups: Iterable[Iterable[Route]]) -> str:
    """The value of ROUTE_GROUPS."""
    return ";".join(",".join(route.path for route in group) for group in groups)


def file_of(number: int, kind: str) -> str:
    """``requirements.txt``, ``requirements.2.txt``: the file of group ``number``, in an image and in its context."""
    return f"requirements.{kind}" if number == 1 else f"requirements.{number}.{kind}"
