"""The images below a model image: base, builder images, dependency images.

trainyard/base            Python, uv, an empty virtual environment
trainyard/train, daemon   the builder images that people use with s2i
trainyard/deps:<hash>     base with one lock installed, shared by all models, and both roles, of that lock
trainyard/deps:<hash>-*   what a model image is built on
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import uv

from trainyard import console
from trainyard.builder_files import BUILDERS, Role, base_context, role_context
from trainyard.command import Limit
from trainyard.context import Context, make_context, text_file
from trainyard.engines.assembling import Assembler
from trainyard.engines.base import BuildPlan
from trainyard.environment import parse_environment
from trainyard.errors import TrainyardError

BASE = "trainyard/base"
DEPENDENCIES = "trainyard/deps"
BUILDER_NAMES: dict[Role, str] = {role: f"trainyard/{folder}" for role, folder in BUILDERS.items()}
REGISTRY_BASE = "python:3.12-slim-bookworm"
DEBIAN_BASE = "trainyard/debian:bookworm"
DEBIAN_PACKAGES = "python3,python3-venv,ca-certificates,libgomp1"
DIGEST = "trainyard.digest"
PULL_SECONDS = 600
USERS: dict[Role, str] = {"train": "0", "predict": "1001"}


def ensure_builders(assembler: Assembler) -> None:
    """Build the base image and both builder images, where they are missing or of other files than today's."""
    package = assembler.repository.package
    base = base_context(package)
    dockerfile = (package / "builders" / "base" / "Dockerfile").read_bytes()
    wanted = assembler.settings.base_image
    digest = _digest(base.sha256, dockerfile, Path(uv.find_uv_bin()).read_bytes(), wanted)
    if assembler.label(BASE, DIGEST) != digest:
        source = find_base(assembler, wanted)
        with tempfile.TemporaryDirectory() as name, console.waiting(f"Building {BASE} on {source} ..."):
            folder = Path(name)
            (folder / "Dockerfile").write_bytes(dockerfile)
            base.write(folder / "trainyard")
            shutil.copy(uv.find_uv_bin(), folder / "uv")
            assembler.build_dockerfile(folder, BASE, {"BASE_IMAGE": source}, {DIGEST: digest, "trainyard.base": source})
    base_id = assembler.image_id(BASE)
    for role, image in BUILDER_NAMES.items():
        scripts = role_context(package, role)
        role_digest = _digest(scripts.sha256, base_id)
        if assembler.label(image, DIGEST) != role_digest or assembler.commands.dry_run:
            build_role(assembler, scripts, BASE, image, {DIGEST: role_digest})


def build_role(
    assembler: Assembler, scripts: Context, base: str, image: str, labels: dict[str, str] | None = None
) -> None:
    """Put one role's s2i scripts on ``base``."""
    with tempfile.TemporaryDirectory() as name:
        scripts.write(Path(name))
        assembler.build_dockerfile(Path(name), image, {"BASE_IMAGE": base}, labels or {})


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


def ensure_dependencies(assembler: Assembler, plan: BuildPlan) -> str:
    """The image to build ``plan`` on: its lock installed, its role's scripts in place."""
    scripts = role_context(assembler.repository.package, plan.role)
    dependencies = _digest(assembler.image_id(BASE), plan.lock, plan.setup)[:16]
    image = f"{DEPENDENCIES}:{dependencies}"
    with assembler.locked(f"deps-{dependencies}", f"the dependencies {dependencies}"):
        if not assembler.image_id(image):
            files = [text_file("requirements.lock", plan.lock.encode())]
            files += [text_file("setup.sh", plan.setup)] if plan.setup else []
            command = ["bash", "-Eeuc", ". /opt/trainyard/common.sh; assemble '' dependencies"]
            with console.waiting(f"Installing dependencies {dependencies} ..."):
                assembler.assemble(BASE, image, make_context(files), [], command, network=True)
        builder = f"{image}-{BUILDERS[plan.role]}-{scripts.sha256[:8]}"
        if not assembler.image_id(builder):
            build_role(assembler, scripts, image, builder)
    return builder


def changes(plan: BuildPlan, builder: str) -> list[str]:
    """What ``s2i build`` would set in the image: command, user, labels, and each ``.s2i/environment`` key."""
    wiring = next(file.content for file in plan.context.files if file.path == PurePosixPath(".s2i/environment"))
    environment = parse_environment(wiring.decode(), Path(".s2i/environment"))
    labels = {
        "io.k8s.display-name": plan.image,
        "io.openshift.s2i.build.image": builder,
        "io.openshift.s2i.build.source-location": "trainyard",
    }
    return [
        'CMD ["/usr/libexec/s2i/run"]',
        f"USER {USERS[plan.role]}",
        *(f"LABEL {key}={json.dumps(value)}" for key, value in labels.items()),
        *(f"ENV {key}={json.dumps(value)}" for key, value in environment.items()),
    ]


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in _as_bytes(parts):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def _as_bytes(parts: tuple[str | bytes, ...]) -> Iterator[bytes]:
    return (part.encode() if isinstance(part, str) else part for part in parts)
