"""Registries of images, by their addresses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from trainyard.host.network.loopback import is_loopback

REGISTRY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*|\[[0-9a-f:]+\](:[0-9]+)?")


def check_registry(registry: str) -> None:
    """Raises:
    ValueError: it is no address of a registry."""
    if registry and not REGISTRY.fullmatch(registry):
        raise ValueError("not a registry: say host:port/path, without a scheme")


def is_here(registry: str) -> bool:
    """Whether it is on this machine."""
    return is_loopback(urlsplit(f"//{registry}").hostname or "")
