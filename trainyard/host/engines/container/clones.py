"""What belongs to this clone, on an engine that several clones of one repository share.

Containers have the clone in their names. Images do not: their names are what people, s2i and scripts know, and lead to
what the last clone has built. So an image says by a label which clone built it, and each clone keeps the ids of its
own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trainyard.host.engines.container.assembling import Assembler, Image
from trainyard.host.support.digests import digest_of

LABEL_CLONE = "trainyard.clone"


class Own(NamedTuple):
    """An image of this clone, and whether its name leads there."""

    image: Image
    is_named: bool


@dataclass(frozen=True)
class Clone:
    """This clone, on the engine of ``assembler``."""

    assembler: Assembler

    @property
    def mark(self) -> str:
        """It tells clones of this machine apart, and says nothing of their folders."""
        return digest_of(str(self.assembler.repository.root))[:8]

    def container(self, name: str) -> str:
        """The name of a container on the engine."""
        return f"{name}-{self.mark}"

    def images(self, names: Iterable[str]) -> dict[str, Own]:
        """Those of ``names`` that this clone has built, or no clone at all: people do, with s2i."""
        noted = {name: self._noted(name) for name in names}
        found = self.assembler.inspect([*noted, *filter(None, noted.values())])
        chosen = {name: self._chosen(found, name, own) for name, own in noted.items()}
        return {name: own for name, own in chosen.items() if own}

    def _chosen(self, found: Mapping[str, Image], name: str, own: str) -> Own | None:
        named = found.get(name)
        if named and named.labels.get(LABEL_CLONE, self.mark) == self.mark:
            return Own(named, True)
        return Own(found[own], False) if own in found else None

    def built(self, name: str, image_id: str) -> None:
        """This clone has built an image under that name."""
        if image_id:
            note = self._note(name)
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(image_id)

    def name_again(self, name: str, own: Own) -> None:
        """Let the name lead to this clone's image, where another clone has built one since."""
        if not own.is_named:
            self.assembler.commands.run([self.assembler.name, "tag", own.image.id, name], self.assembler.limit)

    def remove(self, name: str) -> bool:
        """Remove this clone's image of that name, and the name where it leads there."""
        own = self.images([name]).get(name)
        if own is None:
            return False
        what = name if own.is_named else own.image.id
        self.assembler.commands.run([self.assembler.name, "rmi", "--force", what], self.assembler.limit)
        if not self.assembler.commands.dry_run:
            self._note(name).unlink(missing_ok=True)
        return True

    def _noted(self, name: str) -> str:
        with contextlib.suppress(OSError):
            return self._note(name).read_text()
        return ""

    def _note(self, name: str) -> Path:
        state = self.assembler.repository.state
        return state / "images" / self.assembler.name / name.replace("/", "%").replace(":", "%%")
