"""Dependency images that nothing is built on any more, and what removing them frees.

Asked by layers, not by names: whatever stands on an image has its layers first, whoever built it, in whichever clone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from trainyard.engines.assembling import NO_IMAGE, Assembler
from trainyard.engines.images import DEPENDENCIES

TRIES = 5  # podman's listing fails where another process removes an image meanwhile


@dataclass(frozen=True)
class _Found:
    names: tuple[str, ...]
    layers: tuple[str, ...]
    size: int
    made: datetime

    @property
    def ours(self) -> bool:
        """Whether it is a dependency image and nothing else."""
        return bool(self.names) and all(name.startswith(f"{DEPENDENCIES}:") for name in self.names)

    def is_at_or_below(self, other: _Found) -> bool:
        return self == other or self.is_below(other)

    def is_below(self, other: _Found) -> bool:
        return len(self.layers) < len(other.layers) and other.layers[: len(self.layers)] == self.layers


def unused_images(assembler: Assembler) -> dict[str, int]:
    """Names, those that stand on others first, and the bytes that only this one has."""
    everything = list(_everything(assembler))
    old = datetime.now(UTC) - timedelta(seconds=assembler.settings.prune_age)
    others = [found for found in everything if not found.ours]
    others += [
        found for found in everything if found.made > old
    ]  # a clone may have installed it for what it builds next
    unused = [found for found in everything if found.ours and not any(found.is_at_or_below(other) for other in others)]
    sizes: dict[str, int] = {}
    for found in sorted(unused, key=lambda found: (-len(found.layers), found.names)):
        below = max((other.size for other in everything if other.is_below(found)), default=0)
        sizes |= {name: max(found.size - below, 0) if name == found.names[0] else 0 for name in found.names}
    return sizes


def _everything(assembler: Assembler) -> Iterator[_Found]:
    ids = _listed(assembler)
    text = assembler.commands.ask([assembler.name, "image", "inspect", *ids], unless=NO_IMAGE) if ids else ""
    for said in json.loads(text or "[]"):
        names = sorted(tag.removeprefix("localhost/") for tag in said["RepoTags"] or [])
        yield _Found(tuple(names), tuple(said["RootFS"].get("Layers") or []), said["Size"], _made(said))


def _made(said: dict[str, Any]) -> datetime:
    """When an image was made, or was pulled and given its name, as far as the engine knows that."""
    times = (said["Created"], said.get("Metadata", {}).get("LastTagTime", ""))
    return max(datetime.fromisoformat(time) for time in times if time and not time.startswith("0001-"))


def _listed(assembler: Assembler) -> list[str]:
    argv = [assembler.name, "images", "--quiet", "--no-trunc"]
    for _ in range(TRIES):
        if answer := assembler.commands.query(argv):
            return sorted(set(answer.stdout.split()))
        time.sleep(1)
    return sorted(set(assembler.commands.ask(argv).split()))
