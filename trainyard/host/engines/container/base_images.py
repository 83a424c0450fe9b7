"""The base image: Python, uv, an empty virtual environment, on what BASE_IMAGE, a registry or Debian gives; another one
on what RUNTIME_IMAGE names."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import uv

from trainyard.errors import TrainyardError
from trainyard.host.build.builder_files import base_context
from trainyard.host.engines.container.assembling import Assembler, Image
from trainyard.host.engines.container.cache import NAME
from trainyard.host.network.build_settings import ca_bundle, proxies
from trainyard.host.support.command import Limit
from trainyard.host.support.context import OLDEST_TIME
from trainyard.host.support.digests import digest_of
from trainyard.host.support.product import BUILDER_SOURCES

BASE = "trainyard/base"
DOCKERFILE = BUILDER_SOURCES / "base" / "Dockerfile"
WANTED = ("BASE_IMAGE", "RUNTIME_IMAGE")
IDENTITY = "trainyard.identity"
REGISTRY_PYTHON = "3.12"
REGISTRY_BASE = f"python:{REGISTRY_PYTHON}-slim-bookworm"
DEBIAN_BASE = "trainyard/debian:bookworm"
DEBIAN_PACKAGES = "python3,python3-venv,ca-certificates,libgomp1"


@dataclass(frozen=True)
class Base:
    """A base image. Its identity is over its files and the id of the image below, which is the same on every machine
    that pulled it: so a dependency image that one machine made is found by another. ``runtime`` is what the installed
    packages are put on, where that is another."""

    name: str
    identity: str
    runtime: Base | None = None


def base_images(assembler: Assembler) -> dict[str, str]:
    """The names of the base images, and the setting that says what each is built on: one, or two with RUNTIME_IMAGE."""
    names = {_base_image(assembler, WANTED[0]): WANTED[0]}
    if assembler.settings.runtime_image:
        names.setdefault(_base_image(assembler, WANTED[1]), WANTED[1])
    return names


def _base_image(assembler: Assembler, setting: str) -> str:
    """The name says of which files it is, and what was asked for to build it on. So clones of different versions live
    on one engine."""
    return f"{BASE}:{_digest(_wanted(assembler, setting))[:12]}"


@functools.cache
def _digest(wanted: str) -> str:
    return digest_of(base_context().sha256, DOCKERFILE.read_bytes(), _uv_version(), wanted)


def _uv_version() -> str:
    """To hash the program, or to import what reads metadata, takes longer than an edit has to wait."""
    installed = next(Path(uv.__file__).parents[1].glob("uv-*.dist-info"))
    return installed.stem.removeprefix("uv-")


def _wanted(assembler: Assembler, setting: str) -> str:
    settings = assembler.settings
    return settings.base_image if setting == WANTED[0] else settings.runtime_image


def ensure_bases(assembler: Assembler, there: Mapping[str, Image]) -> Base:
    """The base image, with its runtime; each is built where it is missing, that is, not ``there``."""
    base, *runtime = [
        _ensure_base(assembler, name, setting, there.get(name)) for name, setting in base_images(assembler).items()
    ]
    return replace(base, runtime=runtime[0]) if runtime else base


def known_bases(assembler: Assembler, there: Mapping[str, Image]) -> Base | None:
    """The base image, with its runtime; None where one is not ``there``."""
    names = list(base_images(assembler))
    if any(name not in there for name in names):
        return None
    base, *runtime = [as_base(name, there[name]) for name in names]
    return replace(base, runtime=runtime[0]) if runtime else base


def _ensure_base(assembler: Assembler, name: str, setting: str, found: Image | None) -> Base:
    if found and not assembler.commands.dry_run:
        return as_base(name, found)
    if assembler.cache.pull(name):
        return as_base(name, assembler.inspect([name])[name])
    source = find_base(assembler, setting)
    identity = digest_of(name, assembler.image_id(source))
    with tempfile.TemporaryDirectory() as scratch, assembler.reporter.waiting(f"Building {name} on {source} ..."):
        folder = Path(scratch)
        shutil.copy(DOCKERFILE, folder)
        base_context().write(folder / "trainyard")
        shutil.copy(uv.find_uv_bin(), folder / "uv")
        os.utime(folder / "uv", (OLDEST_TIME, OLDEST_TIME))
        labels = {IDENTITY: identity, "trainyard.base": source, NAME: name}
        arguments = {"BASE_IMAGE": source, "OLDEST_TIME": str(OLDEST_TIME)}
        assembler.build_dockerfile(folder, name, arguments, labels)
    assembler.cache.push(name)
    return Base(name, identity)


def as_base(name: str, found: Image) -> Base:
    """What an image that is here says of itself."""
    return Base(name, found.labels.get(IDENTITY, ""))


def find_base(assembler: Assembler, setting: str) -> str:
    """The Python image to stand on: what the setting says, or the registry's, or one made of Debian packages; says
    which and why.

    Raises:
        TrainyardError: what the setting says cannot be had, or no registry answers and mmdebstrap is not installed.
    """
    wanted = _wanted(assembler, setting)
    reference = wanted or REGISTRY_BASE
    if assembler.image_id(reference):
        assembler.reporter.step(f"Base image: {reference} (it is here)")
        return reference
    reason = ""
    try:
        with assembler.reporter.waiting(f"Pulling {reference} ..."):
            assembler.commands.run(
                [assembler.name, "pull", "--quiet", reference],
                Limit("PULL_TIMEOUT", assembler.settings.pull_timeout),
                env=assembler.commands.environment(proxies(assembler.settings)),
            )
    except TrainyardError as error:
        reason = str(error)
    if not reason:
        assembler.reporter.step(f"Base image: {reference} (from the registry)")
        return reference
    if wanted:
        raise TrainyardError(f"{setting}={wanted}: {reason}", "name an image that can be pulled, or unset it")
    assembler.reporter.step(f"Base image: Debian packages, since {reference} cannot be pulled ({reason})")
    if not assembler.image_id(DEBIAN_BASE):
        _make_debian_base(assembler, reference)
    _say_python(assembler)
    return DEBIAN_BASE


def _say_python(assembler: Assembler) -> None:
    """Pins and other clones' records may be of the Python that the registry's image has."""
    if assembler.commands.dry_run:
        return
    version = assembler.python(DEBIAN_BASE).version
    if not f"{version}.".startswith(f"{REGISTRY_PYTHON}."):
        assembler.reporter.warn(
            f"the images have Python {version}, not {REGISTRY_PYTHON} as {REGISTRY_BASE}: locks hold for both, but a "
            "package may have no wheel for one; BASE_IMAGE names another base"
        )


def _make_debian_base(assembler: Assembler, reference: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise TrainyardError(
            f"{reference} cannot be pulled, and mmdebstrap, which makes a base image of Debian packages, is missing",
            "apt-get install mmdebstrap, set BASE_IMAGE to an image you have, or use ENGINE=process",
        )
    waiting = assembler.reporter.waiting("Making a base image of Debian packages ...")
    with tempfile.TemporaryDirectory() as name, waiting:
        tar = str(Path(name) / "base.tar")
        lean = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        limit = assembler.limit
        if bundle := ca_bundle(assembler.settings):
            # mmdebstrap leaves apt's options in the image.
            lean.append(f'--aptopt=Acquire::https::CAInfo "{bundle}"')
            lean.append('--customize-hook=rm "$1/etc/apt/apt.conf.d/99mmdebstrap"')
        assembler.commands.run(
            ["mmdebstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", *lean, "--quiet", "bookworm", tar],
            limit,
            env=assembler.commands.environment(proxies(assembler.settings)),
        )
        assembler.commands.run([assembler.name, "import", tar, DEBIAN_BASE], limit)
