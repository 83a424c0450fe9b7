"""The images that docker or podman keeps: finding, describing, searching and removing them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from trainyard.host.engines.base import BuiltImage, Stored
from trainyard.host.engines.container import bake_layer as baking
from trainyard.host.engines.container.archive import search_saved
from trainyard.host.engines.container.assembling import CACHE_NAME, Assembler
from trainyard.host.engines.container.base_images import IDENTITY
from trainyard.host.engines.container.clones import Clone
from trainyard.host.engines.container.exported import ContainerImage
from trainyard.host.engines.container.unused import images_to_remove, unused_images
from trainyard.host.engines.engine import ExportedImage
from trainyard.host.secrets.leaks import Look
from trainyard.host.support.product import BUILDER_SOURCES


@dataclass(frozen=True)
class ContainerImages:
    """The images of the engine of ``assembler``, as ``clone`` names them."""

    assembler: Assembler
    clone: Clone

    def built(self, names: Iterable[str]) -> dict[str, str]:
        return {name: own.image.labels.get(IDENTITY, "") for name, own in self.clone.images(names).items()}

    def find(self, image: str) -> BuiltImage | None:
        own = self.clone.images([image]).get(image)
        if own is None:
            return None
        return BuiltImage(own.image.id, own.image.labels.get(IDENTITY, ""), own.image.labels)

    def facts(self, image: str) -> dict[str, Any]:
        assembler = self.assembler
        script = (BUILDER_SOURCES / "facts.py").read_text()
        run = [assembler.name, "run", "--rm", "--network", "none", "--entrypoint", "/opt/venv/bin/python"]
        found = self.find(image)
        run += [found.id if found else image, "-c", script, "1"]
        return dict(json.loads(assembler.commands.run(run, assembler.limit) or "{}"))

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        several = ["--multi-image-archive"] if self.assembler.name == "podman" else []
        return search_saved([self.assembler.name, "save", *several, *images], look)

    def remove(self, image: str) -> bool:
        removed = self.clone.remove(image)
        self.clone.remove(baking.sources_image(image))
        return removed

    def unused(self) -> dict[str, int]:
        return unused_images(self.assembler)

    def removable(self, images: Iterable[str]) -> dict[str, int]:
        names = [name for image in images for name in (image, baking.sources_image(image))]
        own = {own.image.id: name for name, own in self.clone.images(names).items()}
        return {**images_to_remove(self.assembler, own), **self.assembler.cache_volume()}

    def exported(self, image: str, image_id: str) -> ExportedImage:
        return ContainerImage(self.assembler, image, image_id)

    def remove_unused(self, name: str) -> bool:
        what = ["volume", "rm"] if name == CACHE_NAME else ["rmi"]
        # Refused where a container uses it.
        return self.assembler.commands.query([self.assembler.name, *what, name]) is not None
