"""Registries that speak plain HTTP."""

from __future__ import annotations

from trainyard.host.network.registries import is_here


def insecure(engine: str, registry: str) -> list[str]:
    """docker speaks plain HTTP with this machine itself; podman needs an option."""
    return ["--tls-verify=false"] if engine == "podman" and is_here(registry) else []
