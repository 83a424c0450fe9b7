"""Which endpoint answers a POST to which path, and how it is spoken to there."""

from __future__ import annotations

from collections.abc import Sequence

from trainyard.serve.dialects.dialect import Dialect
from trainyard.serve.dialects.native import Native
from trainyard.serve.prediction.endpoint import Endpoint


def prediction_paths(endpoints: Sequence[Endpoint]) -> dict[str, tuple[Endpoint, Dialect]]:
    """Paths with their leading slash; each is served with a trailing slash, too."""
    return {f"/{endpoint.route.path}": (endpoint, Native(endpoint)) for endpoint in endpoints}
