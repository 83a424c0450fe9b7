"""The base image: Python, uv, an empty virtual environment, on what BASE_IMAGE, a registry or Debian gives."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import uv

from trainyard import console
from trainyard.builder_files import base_context
from trainyard.command import Limit
from trainyard.digests import digest_of
from trainyard.engines.assembling import Assembler
from trainyard.errors import TrainyardError

BASE = "trainyard/base"
REGISTRY_BASE = "python:3.12-slim-bookworm"
DEBIAN_BASE = "trainyard/debian:bookworm"
DEBIAN_PACKAGES = "python3,python3-venv,ca-certificates,libgomp1"
DIGEST = "trainyard.digest"
IDENTITY = "trainyard.identity"
PULL_SECONDS = 600


def base_digest(assembler: Assembler) -> str:
    """Of the files that the base image is to be built from, and of what was asked for to build it on."""
    package = assembler.repository.package
    dockerfile = (package / "builders" / "base" / "Dockerfile").read_bytes()
    uv_program = Path(uv.find_uv_bin()).read_bytes()
    return digest_of(base_context(package).sha256, dockerfile, uv_program, assembler.settings.base_image)


def base_identity(assembler: Assembler) -> str:
    """What dependency images stand on; empty where the base image is missing, or of other files than today's.

    It is over the files and the id of the image below, which are the same on every machine that pulled that image: so
    a dependency image that one machine made is found by another.
    """
    found = assembler.inspect([BASE]).get(BASE)
    current = found is not None and found.labels.get(DIGEST) == base_digest(assembler)
    return found.labels.get(IDENTITY, "") if found and current else ""


def ensure_base(assembler: Assembler) -> str:
    """Build the base image, where it is missing or not of today's files; its identity."""
    identity = base_identity(assembler)
    if identity and not assembler.commands.dry_run:
        return identity
    source = find_base(assembler, assembler.settings.base_image)
    package, digest = assembler.repository.package, base_digest(assembler)
    identity = digest_of(digest, assembler.image_id(source))
    with tempfile.TemporaryDirectory() as name, console.waiting(f"Building {BASE} on {source} ..."):
        folder = Path(name)
        shutil.copy(package / "builders" / "base" / "Dockerfile", folder)
        base_context(package).write(folder / "trainyard")
        shutil.copy(uv.find_uv_bin(), folder / "uv")
        labels = {DIGEST: digest, IDENTITY: identity, "trainyard.base": source}
        assembler.build_dockerfile(folder, BASE, {"BASE_IMAGE": source}, labels)
    return identity


def find_base(assembler: Assembler, wanted: str) -> str:
    """The Python image to stand on: BASE_IMAGE, or the registry's, or one made of Debian packages; says which and why.

    Raises:
        TrainyardError: BASE_IMAGE cannot be had, or no registry answers and mmdebstrap is not installed.
    """
    reference = wanted or REGISTRY_BASE
    if assembler.image_id(reference):
        console.step(f"Base image: {reference} (it is here)")
        return reference
    reason = ""
    try:
        with console.waiting(f"Pulling {reference} ..."):
            assembler.commands.run([assembler.name, "pull", "--quiet", reference], Limit("", PULL_SECONDS))
    except TrainyardError as error:
        reason = str(error)
    if not reason:
        console.step(f"Base image: {reference} (from the registry)")
        return reference
    if wanted:
        raise TrainyardError(f"BASE_IMAGE={wanted}: {reason}", "name an image that can be pulled, or unset it")
    console.step(f"Base image: Debian packages, since {reference} cannot be pulled ({reason})")
    if not assembler.image_id(DEBIAN_BASE):
        _make_debian_base(assembler, reference)
    return DEBIAN_BASE


def _make_debian_base(assembler: Assembler, reference: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise TrainyardError(
            f"{reference} cannot be pulled, and mmdebstrap, which makes a base image of Debian packages, is missing",
            "apt-get install mmdebstrap, set BASE_IMAGE to an image you have, or use ENGINE=process",
        )
    with tempfile.TemporaryDirectory() as name, console.waiting("Making a base image of Debian packages ..."):
        tar = str(Path(name) / "base.tar")
        lean = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        limit = assembler.limit
        assembler.commands.run(
            ["mmdebstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", *lean, "--quiet", "bookworm", tar],
            limit,
        )
        assembler.commands.run([assembler.name, "import", tar, DEBIAN_BASE], limit)
