"""The paths that Vertex AI chooses for its questions, checked before anything is started."""

from __future__ import annotations

from collections.abc import Sequence

from trainyard.contract.routes import Route
from trainyard.errors import TrainyardError
from trainyard.settings.image import ImageSettings

SHOWN_ROUTES = 10


def check_vertex_routes(routes: Sequence[Route], settings: ImageSettings) -> None:
    """Refuse paths of Vertex AI that are none, or that lead to no route.

    Raises:
        TrainyardError: naming the variable.
    """
    for name, path in (
        ("AIP_HEALTH_ROUTE", settings.aip_health_route),
        ("AIP_PREDICT_ROUTE", settings.aip_predict_route),
    ):
        if path and not (
            path.startswith("/") and path.isascii() and path.isprintable() and not set(" ?#<>") & set(path)
        ):
            raise TrainyardError(f"{name}={path}: not a path", f"say, for example, {name}=/predict")
    paths = [f"/{route.path}" for route in routes]
    if settings.aip_predict_route and len(paths) > 1 and settings.aip_predict_route.rstrip("/") not in paths:
        raise TrainyardError(
            f"AIP_PREDICT_ROUTE={settings.aip_predict_route}: this image has {len(paths)} routes",
            f"upload it with one of them as its predict route: {', '.join(paths[:SHOWN_ROUTES])}",
        )
