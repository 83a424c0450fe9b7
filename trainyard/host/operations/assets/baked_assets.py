"""What of assets is in an image."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.host.build.baked_files import BakedFile

LABEL = "trainyard.assets"  # of an image: which assets are in it
LABEL_FROM = "trainyard.assets.from"  # and of each of its models where they were: ``<model>=<place>@<hash>,...``


@dataclass(frozen=True)
class Assets:
    """The files that go into an image, and what its labels say of them."""

    name: str
    files: tuple[BakedFile, ...]
    labels: dict[str, str]
