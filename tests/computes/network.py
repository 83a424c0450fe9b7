"""The addresses of a test's cluster."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass

SERVICES = "10.96.0.0/16"  # addresses that the nodes alone know, as those of pods
PODS = "10.244.0.0/16"


@dataclass(frozen=True)
class Network:
    """What no other cluster of this machine has: clusters of two workers run side by side."""

    number: int

    @classmethod
    def free(cls) -> Network:
        taken = subprocess.run(["ip", "-4", "address"], capture_output=True, text=True, check=True).stdout
        free = [number for number in range(100, 250) if f" 172.31.{number}." not in taken]
        return cls(secrets.choice(free))

    @property
    def host(self) -> str:
        """This machine's end, where the control plane and the registry are."""
        return f"172.31.{self.number}.1"

    @property
    def cable(self) -> str:
        """The name of its interface here."""
        return f"trainyard{self.number}"

    def node(self, number: int) -> str:
        return f"172.31.{self.number}.{10 + number}"

    def pods(self, number: int) -> str:
        """Of a node."""
        return f"10.244.{number}.0/24"
