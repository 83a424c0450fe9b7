"""What a training is made of: the image that it runs in, and the commit of the sources in there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trainyard.host.monorepo.revision import DIRTY

Sources = Literal["same", "changed", "unknown"]  # today's, compared with those that an image was built from
UNKNOWN = "unknown"
UNCOMMITTED = "uncommitted"  # a tag of runs that are dirty: the files
_MOST_CHANGES = 5  # that it names


@dataclass(frozen=True)
class Origin:
    """``commit`` is that of what is trained, with ``-dirty`` where that has changes; ``image_commit`` is what the image
    says itself. Both are empty where nobody knows. ``changes`` are the files by which it has changes, as far as
    they are known; ``engine`` runs it."""

    image: str
    image_id: str = ""
    identity: str = ""
    image_commit: str = ""
    commit: str = ""
    sources: Sources = "same"
    engine: str = ""
    changes: tuple[str, ...] = ()

    @property
    def built(self) -> dict[str, str]:
        """Of the image, for records: a record says ``sources`` where today's were not the image's."""
        facts = {"image": self.image, "id": self.image_id, "identity": self.identity}
        return {**facts, "commit": self.image_commit or UNKNOWN, "sources": self.sources}

    @property
    def env(self) -> Mapping[str, str]:
        """What the train image writes into the record."""
        return {"TRAINYARD_COMMIT": self.commit or UNKNOWN, "TRAINYARD_BUILT": json.dumps(self.built)}

    @property
    def tags(self) -> dict[str, str]:
        """What runs are found by."""
        tags = {
            "commit": self.commit.removesuffix(DIRTY) or UNKNOWN,
            "dirty": str(self.commit.endswith(DIRTY)).lower() if self.commit else UNKNOWN,
            "image": self.image,
            "image_identity": self.identity,
            "sources": "" if self.sources == "same" else self.sources,
            "engine": self.engine,
            UNCOMMITTED: listed(self.changes),
        }
        return {name: value for name, value in tags.items() if value}

    def with_changes(self, *paths: str) -> Origin:
        """The same, where something else that is trained with is not in the commit."""
        if not self.commit:
            return self
        # Changes that nobody has named stay so.
        named = (*self.changes, *paths) if self.changes or not self.commit.endswith(DIRTY) else ()
        changes = tuple(dict.fromkeys(named))
        return replace(self, commit=f"{self.commit.removesuffix(DIRTY)}{DIRTY}", changes=changes)


def listed(changes: Sequence[str]) -> str:
    """Paths for a tag, the first few of many."""
    more = f" and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
    return ", ".join(changes[:_MOST_CHANGES]) + more
