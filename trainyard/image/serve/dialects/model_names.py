"""How a route is named as a model of the Open Inference Protocol, and what a path below ``/v2/models/`` asks for.

A model's name is its route: ``adult_income_lr/predict``. In a path its slashes may be written as they are or as
``%2F``. The name of the served model (``MODEL_NAME``) is understood, too, where exactly one route answers by it. A
route of that name comes first, so no two models share a name.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from trainyard.errors import TrainyardError
from trainyard.image.serve.prediction.endpoint import Endpoint

PREFIX = "/v2/models/"
OPERATIONS = ("infer", "ready")
SHOWN_NAMES = 10


class UnknownModel(TrainyardError):
    """No model of that name or version; HTTP 404."""

    http_status = 404


class Asked(NamedTuple):
    """What a path asks for; ``operation`` is empty for the model itself, ``version`` where none is asked for."""

    name: str
    version: str
    operation: str


class FoundModel(NamedTuple):
    """The endpoint that a path means, the name that it was called by, and the operation that is asked for."""

    endpoint: Endpoint
    name: str
    operation: str


@functools.lru_cache(maxsize=256)
def asked_by(path: str) -> Asked:
    """What a path below ``/v2/models/`` asks for.

    ``a/ready`` is always whether ``a`` is ready, and ``a/versions/b`` a version of ``a``, also where a route is called
    so: that is ``a%2Fready``.
    """
    parts = path.removeprefix(PREFIX).removesuffix("/").split("/")
    operation = parts.pop() if len(parts) > 1 and parts[-1] in OPERATIONS else ""
    version = ""
    if len(parts) > 2 and parts[-2] == "versions":
        *parts, _, version = parts
    return Asked(unquote("/".join(parts)), unquote(version), operation)


class ModelNames:
    """The endpoints of a server, by the names of their models."""

    def __init__(self, endpoints: Sequence[Endpoint], model_name: str = "", every_path: Sequence[str] = ()) -> None:
        """``model_name``: what an image of one route serves, known before it is loaded. ``every_path``: the routes of
        the whole image; default: those of ``endpoints``."""
        self._every_path = tuple(every_path) or tuple(endpoint.route.path for endpoint in endpoints)
        self._routes = {endpoint.route.path: endpoint for endpoint in endpoints}
        self._aliases = {model_name: endpoints[0]} if model_name and len(endpoints) == 1 else {}

    def find(self, path: str) -> FoundModel:
        """The model that a path below ``/v2/models/`` asks for.

        Raises:
            UnknownModel: there is none of that name, or not in that version.
        """
        name, version, operation = asked_by(path)
        endpoint = self.endpoint(name)
        if endpoint is None:
            known = ", ".join(self._every_path[:SHOWN_NAMES])
            raise UnknownModel(f"there is no model {name[:80]!r}", f"this server has {known}")
        _check_version(endpoint, name, version)
        return FoundModel(endpoint, name, operation)

    def endpoint(self, name: str) -> Endpoint | None:
        """The endpoint of that name; None where there is none, or several answer by that model."""
        found = self._routes.get(name) or self._aliases.get(name)
        if found is None:
            serving = [one for one in self._routes.values() if [model.name for model in one.models] == [name]]
            found = serving[0] if len(serving) == 1 else None
        return found


def version_of(endpoint: Endpoint) -> str:
    """The version of the model that an endpoint answers by; empty where it has none, or several models."""
    return endpoint.models[0].version if len(endpoint.models) == 1 else ""


def _check_version(endpoint: Endpoint, name: str, version: str) -> None:
    if version and version != version_of(endpoint):
        has = f"it has {version_of(endpoint)}" if version_of(endpoint) else "it has none"
        raise UnknownModel(f"the model {name!r} has no version {version[:80]!r}", f"{has}; leave /versions/... away")
