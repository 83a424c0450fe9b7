"""Registries of images, by their addresses."""

from __future__ import annotations

import re

REGISTRY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*|\[[0-9a-f:]+\](:[0-9]+)?")
_LOOPBACK = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])([:/]|$)")


def check_registry(registry: str) -> None:
    """Raises:
    ValueError: it is no address of a registry."""
    if registry and not REGISTRY.fullmatch(registry):
        raise ValueError("not a registry: say host:port/path, without a scheme")


def is_here(registry: str) -> bool:
    """Whether it is on this machine."""
    return bool(_LOOPBACK.match(registry))
