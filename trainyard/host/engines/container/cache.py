"""CACHE_REGISTRY: base and dependency images in a registry, under the hashes in their names, for machines that begin
with none (CI). It only ever saves time: whatever is wrong with it is a warning, and the image is built.
"""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass, field

from trainyard.errors import TrainyardError
from trainyard.host.engines.container.insecure import insecure
from trainyard.host.network.registries import REGISTRY
from trainyard.host.support.command import Commands, Limit
from trainyard.settings.host import BuildSettings

NAME = "trainyard.name"  # label: the name that an image was built under, which has the hash of what is in it
NOT_THERE = re.compile("manifest unknown|not found|name unknown", re.IGNORECASE)  # docker's words and podman's
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class NotThere(TrainyardError):
    """The registry does not have that image."""


@dataclass
class RegistryCache:
    """The registry of CACHE_REGISTRY, asked by the program ``engine``; where it is not set, it has nothing."""

    engine: str
    settings: BuildSettings
    commands: Commands
    _given_up: bool = field(default=False, init=False)  # a registry that hangs is waited for once

    def pull(self, name: str) -> bool:
        """Get the image ``name``; whether it is here now."""
        if not self._used:
            return False
        reference = self._reference(name)
        try:
            with self.commands.reporter.waiting(f"Asking {self.settings.cache_registry} for {name} ..."):
                self._call("pull", *self._insecure, "--quiet", reference)
        except NotThere:
            return False
        except TrainyardError as error:
            self._give_up(error)
            return False
        if not self._is(reference, name):
            self.commands.reporter.warn(f"{reference} is not {name}: it is not used (CACHE_REGISTRY)")
            self._call("rmi", reference)
            return False
        self._call("tag", reference, name)
        self._call("rmi", reference)
        self.commands.reporter.step(f"Pulled {name} from {self.settings.cache_registry}")
        return True

    def push(self, name: str) -> None:
        """Offer the image ``name``, which was built here, to others."""
        if not self._used or not self.settings.cache_push:
            return
        reference = self._reference(name)
        try:
            self._call("tag", name, reference)
            with self.commands.reporter.waiting(f"Pushing {name} to {self.settings.cache_registry} ..."):
                self._call("push", *self._insecure, "--quiet", reference)
        except TrainyardError as error:
            self._give_up(error)
        self.commands.query([self.engine, "rmi", reference])

    @property
    def _used(self) -> bool:
        registry = self.settings.cache_registry
        if registry and not REGISTRY.fullmatch(registry):
            raise TrainyardError(f"CACHE_REGISTRY={registry}: not a registry", "say host:port/path, without a scheme")
        return bool(registry) and not self.commands.dry_run and not self._given_up

    @property
    def _insecure(self) -> list[str]:
        return insecure(self.engine, self.settings.cache_registry)

    def _reference(self, name: str) -> str:
        """Hashes are over sources: what they become differs by architecture."""
        machine = platform.machine()
        return f"{self.settings.cache_registry}/{name.removeprefix('trainyard/')}-{ARCHITECTURES.get(machine, machine)}"

    def _is(self, reference: str, name: str) -> bool:
        inspected = json.loads(self._call("image", "inspect", reference))[0]
        return bool((inspected["Config"].get("Labels") or {}).get(NAME) == name)

    def _give_up(self, error: TrainyardError) -> None:
        self._given_up = True
        self.commands.reporter.warn(f"CACHE_REGISTRY={self.settings.cache_registry} is not used: {error}")

    def _call(self, *arguments: str) -> str:
        limit = Limit("CACHE_TIMEOUT", self.settings.cache_timeout)
        return self.commands.run([self.engine, *arguments], limit, causes=((NOT_THERE, NotThere),))
