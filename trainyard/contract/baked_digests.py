"""Binaries that an image brings along: BAKED_MODELS says which files ``models/`` holds, each with its sha256.

It is part of the image's configuration, like the label of the same text, and not of its files: whoever replaces a
binary, or mounts another over it, replaces the record beside it too, but not this.
"""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import ModelUnavailable
from trainyard.settings.image import baked_models


def check_baked(path: Path, sha256: str) -> None:
    """Compare the hash of a file below ``models/`` with the one that was baked into this image; any will do where none
    was.

    Raises:
        ModelUnavailable: it is another file, or one that was not baked in.
    """
    baked = baked_models()
    if not baked or baked.get(path.name) == sha256:
        return
    expected = baked.get(path.name, "")
    what = f"sha256 {sha256[:12]} is not the {expected[:12]} of" if expected else "it is not among the files of"
    raise ModelUnavailable(
        f"{path}: {what} the binaries that were baked into this image",
        "mount nothing over models/, or set BAKED_MODELS to nothing to serve what is there",
    )
