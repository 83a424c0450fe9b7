"""Whether every route can answer: one function, whatever protocol asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainyard.serve.app import Application


def unready(application: Application) -> dict[str, str]:
    """Why, by route, it cannot answer; empty where all can."""
    return {endpoint.route.path: endpoint.failure for endpoint in application.endpoints if endpoint.failure}
