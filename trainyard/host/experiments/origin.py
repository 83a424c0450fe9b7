"""What a training is made of: the image that it runs in, and the commit of the sources in there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from trainyard.host.monorepo.revision import DIRTY

Sources = Literal["same", "changed", "unknown"]  # today's, compared with those that an image was built from
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Origin:
    """``commit`` is that of what is trained, with ``-dirty`` where that has changes; ``image_commit`` is what the image
    says itself. Both are empty where nobody knows."""

    image: str
    image_id: str = ""
    identity: str = ""
    image_commit: str = ""
    commit: str = ""
    sources: Sources = "same"

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
        }
        return {name: value for name, value in tags.items() if value}

    def with_changes(self) -> Origin:
        """The same, where something else that is trained with is not in the commit."""
        return replace(self, commit=f"{self.commit.removesuffix(DIRTY)}{DIRTY}") if self.commit else self
