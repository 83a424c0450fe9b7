"""The errors of requirements that callers tell apart."""

from __future__ import annotations

from trainyard.errors import TrainyardError


class Clash(TrainyardError):
    """Requirements that cannot be had together."""


class Unresolved(TrainyardError):
    """A lock that would have to be asked of the package index."""
