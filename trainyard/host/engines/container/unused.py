"""Dependency images that nothing is built on any more, and what removing them frees.

Asked by layers, not by names: whatever stands on an image has its layers first, whoever built it, in whichever clone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from trainyard.host.engines.container.assembling import NO_IMAGE, Assembler
from trainyard.host.engines.container.images import DEPENDENCIES

OURS = "trainyard/"  # how the names of all images begin that are no model's
TRIES = 5  # podman's listing fails where another process removes an image meanwhile


@dataclass(frozen=True)
class Found:
    """An image on the engine: its layers, those below first, and the bytes of all."""

    id: str
    names: tuple[str, ...]
    layers: tuple[str, ...]
    size: int
    made: datetime

    def is_called(self, prefix: str) -> bool:
        """Whether all of its names begin so, and it has one."""
        return bool(self.names) and all(name.startswith(prefix) for name in self.names)

    @property
    def references(self) -> tuple[str, ...]:
        return self.names or (self.id,)

    def is_at_or_below(self, other: Found) -> bool:
        return self == other or self.is_below(other)

    def is_below(self, other: Found) -> bool:
        return len(self.layers) < len(other.layers) and other.layers[: len(self.layers)] == self.layers


def unused_images(assembler: Assembler) -> dict[str, int]:
    """Names, those that stand on others first, and the bytes that only this one has."""
    everything = list(_everything(assembler))
    old = datetime.now(UTC) - timedelta(seconds=assembler.settings.prune_age)
    ours = [found for found in everything if found.is_called(f"{DEPENDENCIES}:")]
    # A clone may have installed it for what it builds next.
    young = [found for found in ours if found.made > old]
    return _sizes(_unused(everything, [found for found in ours if found not in young]), everything)


def images_to_remove(assembler: Assembler, own: Mapping[str, str]) -> dict[str, int]:
    """The same of all that is ours: the images of ``own`` (id to name) that nobody has given another name, and what no
    image of somebody else stands on."""
    return removable(list(_everything(assembler)), own)


def removable(everything: Sequence[Found], own: Mapping[str, str]) -> dict[str, int]:
    """The same among images that were found."""
    names = {image: {name, f"{name}:latest"} for image, name in own.items()}
    ours = [
        found
        for found in everything
        if found.is_called(OURS) or (found.id in own and names[found.id].issuperset(found.names))
    ]
    return _sizes(_unused(everything, ours), everything)


def _unused(everything: Sequence[Found], ours: Sequence[Found]) -> list[Found]:
    """Those of ``ours`` that nothing else stands on."""
    others = [found for found in everything if found not in ours]
    return [found for found in ours if not any(found.is_at_or_below(other) for other in others)]


def _sizes(unused: Sequence[Found], everything: Sequence[Found]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for found in sorted(unused, key=lambda found: (-len(found.layers), found.references)):
        below = max((other.size for other in everything if other.is_below(found)), default=0)
        first, *more = found.references
        sizes |= {first: max(found.size - below, 0), **dict.fromkeys(more, 0)}
    return sizes


def _everything(assembler: Assembler) -> Iterator[Found]:
    ids = _listed(assembler)
    text = assembler.commands.ask([assembler.name, "image", "inspect", *ids], unless=NO_IMAGE) if ids else ""
    for inspected in json.loads(text or "[]"):
        names = sorted(tag.removeprefix("localhost/") for tag in inspected["RepoTags"] or [])
        yield Found(
            inspected["Id"],
            tuple(names),
            tuple(inspected["RootFS"].get("Layers") or []),
            inspected["Size"],
            _made(inspected),
        )


def _made(inspected: dict[str, Any]) -> datetime:
    """When an image was made, or was pulled and given its name; now, where the engine knows neither."""
    times = (inspected["Created"], inspected.get("Metadata", {}).get("LastTagTime", ""))
    known = [datetime.fromisoformat(time) for time in times if time and not time.startswith("0001-")]
    return max(known, default=datetime.now(UTC))


def _listed(assembler: Assembler) -> list[str]:
    argv = [assembler.name, "images", "--quiet", "--no-trunc"]
    for _ in range(TRIES):
        if answer := assembler.commands.query(argv):
            return sorted(set(answer.stdout.split()))
        time.sleep(1)
    return sorted(set(assembler.commands.ask(argv).split()))
