"""The images between the base image and a model's own.

trainyard/train, daemon   the builder images that people use with s2i
trainyard/deps:<hash>     base with one lock installed, shared by all models, and both roles, of that lock
trainyard/deps:<hash>-*   what a model image is built on
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from trainyard import console
from trainyard.builder_files import BUILDERS, role_context
from trainyard.context import Context
from trainyard.digests import digest_of
from trainyard.engines.assembling import Assembler
from trainyard.engines.base import BuildPlan
from trainyard.engines.bases import BASE, Base, base_images, ensure_bases
from trainyard.engines.cache import NAME
from trainyard.engines.installing import INSTALL, install
from trainyard.environment import parse_environment
from trainyard.model_dir import Role

DEPENDENCIES = "trainyard/deps"
BUILDER_NAMES: dict[Role, str] = {role: f"trainyard/{folder}" for role, folder in BUILDERS.items()}
USERS: dict[Role, str] = {"train": "0", "predict": "1001"}


def ensure_builders(assembler: Assembler) -> Base:
    """The base image; it, its runtime and both builder images are built where they are missing or of other files than
    today's."""
    scripts = {role: role_context(assembler.repository.package, role) for role in BUILDER_NAMES}
    name, *runtime = base_images(assembler)
    wanted = {role: f"{BUILDER_NAMES[role]}:{digest_of(name, scripts[role].sha256)[:12]}" for role in scripts}
    plain = {wanted[role]: BUILDER_NAMES[role] for role in scripts} | {name: BASE}
    named = assembler.inspect(plain.values())
    there = assembler.built([*plain, *runtime])
    base = ensure_bases(assembler, there)
    for role, image in wanted.items():
        if image not in there or assembler.commands.dry_run:
            build_role(assembler, scripts[role], base.name, image)
    for image, name in plain.items():  # the names that people use with s2i
        if image not in there or name not in named or there[image].id != named[name].id:
            assembler.commands.run([assembler.name, "tag", image, name], assembler.limit)
    return base


def build_role(assembler: Assembler, scripts: Context, base: str, image: str) -> None:
    """Put one role's s2i scripts on ``base``."""
    with tempfile.TemporaryDirectory() as name:
        scripts.write(Path(name))
        assembler.build_dockerfile(Path(name), image, {"BASE_IMAGE": base}, {NAME: image})


def dependencies_hash(base: Base, plan: BuildPlan) -> str:
    """Names the dependency image of a plan."""
    runtime = [base.runtime.identity] if base.runtime else []
    return digest_of(base.identity, INSTALL, plan.lock, plan.setup, *runtime)[:16]


def builder_image(assembler: Assembler, base: Base, plan: BuildPlan) -> str:
    """What a plan's image is built on: the name says which base, lock and scripts."""
    scripts = role_context(assembler.repository.package, plan.role).sha256[:8]
    return f"{DEPENDENCIES}:{dependencies_hash(base, plan)}-{BUILDERS[plan.role]}-{scripts}"


def ensure_dependencies(assembler: Assembler, base: Base, plan: BuildPlan, *, anew: bool = False) -> None:
    """Make the image to build ``plan`` on, where it is not there: its lock installed, its role's scripts in place.
    ``anew``: also where it is."""
    key, builder = dependencies_hash(base, plan), builder_image(assembler, base, plan)
    image = f"{DEPENDENCIES}:{key}"
    with assembler.locked(f"deps-{key}", f"the dependencies {key}"):
        there = {} if anew else assembler.built([image, builder])
        if image not in there and (anew or not assembler.cache.pull(image)):
            with console.waiting(f"Installing dependencies {key} ..."):
                named = [f"LABEL {NAME}={image}"]
                install(assembler, base, image, plan, named)
            assembler.cache.push(image)
        if builder not in there:
            scripts = role_context(assembler.repository.package, plan.role)
            build_role(assembler, scripts, image, builder)


def changes(plan: BuildPlan, builder: str, own: Mapping[str, str]) -> list[str]:
    """What ``s2i build`` would set in the image: command, user, labels (and our ``own``), each environment key."""
    wiring = next(file.content for file in plan.context.files if file.path == PurePosixPath(".s2i/environment"))
    environment = parse_environment(wiring.decode(), Path(".s2i/environment"))
    labels = {
        "io.k8s.display-name": plan.image,
        "io.openshift.s2i.build.image": builder,
        "io.openshift.s2i.build.source-location": "trainyard",
        **own,
    }
    return [
        'CMD ["/usr/libexec/s2i/run"]',
        f"USER {USERS[plan.role]}",
        *(f"LABEL {key}={json.dumps(value)}" for key, value in labels.items()),
        *(f"ENV {key}={json.dumps(value)}" for key, value in environment.items()),
    ]
