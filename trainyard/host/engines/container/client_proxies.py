"""Proxies that docker and podman give to every container by themselves. A committed container would keep them in its
image's environment, with the password; what a build needs of them is mounted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

# Of docker's client configuration: https://docs.docker.com/engine/cli/proxy/
VARIABLES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "ftpProxy": "FTP_PROXY",
    "noProxy": "NO_PROXY",
    "allProxy": "ALL_PROXY",
}


def without_proxies(engine: str) -> tuple[list[str], Mapping[str, str] | None]:
    """Options of ``run`` and ``create``, and their environment where that is another, so that a container gets none."""
    if engine == "podman":
        return ["--http-proxy=false"], None
    configured = {VARIABLES[key] for proxies in _configured() for key in proxies if key in VARIABLES}
    names = sorted({spelt for name in configured for spelt in (name, name.lower())})
    # A name without a value, of a variable that is not set, is one that the container shall not have.
    options = [part for name in names for part in ("--env", name)]
    return options, {name: value for name, value in os.environ.items() if name not in names} if names else None


def _configured() -> list[dict[str, str]]:
    """The proxies of docker's client configuration, one for each daemon that it knows."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return []  # docker says so itself, where it has to read it
    return [proxies for proxies in found.get("proxies", {}).values() if isinstance(proxies, dict)]
