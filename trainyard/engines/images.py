"""The images between the base image and a model's own.

trainyard/train, daemon   the builder images that people use with s2i
trainyard/deps:<hash>     base with one lock installed, shared by all models, and both roles, of that lock; where models
                          are in groups, one on top of the other, each with one environment more
trainyard/deps:<hash>-*   what a model image is built on
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from trainyard import console
from trainyard.builder_files import BUILDERS, role_context
from trainyard.context import Context, make_context, text_file
from trainyard.digests import digest_of
from trainyard.engines.assembling import Assembler
from trainyard.engines.base import BuildPlan
from trainyard.engines.bases import BASE, Base, base_image, ensure_base
from trainyard.engines.cache import NAME
from trainyard.environment import parse_environment
from trainyard.groups import file_of
from trainyard.model_dir import Role

DEPENDENCIES = "trainyard/deps"
BUILDER_NAMES: dict[Role, str] = {role: f"trainyard/{folder}" for role, folder in BUILDERS.items()}
USERS: dict[Role, str] = {"train": "0", "predict": "1001"}
INSTALL = ". /opt/trainyard/common.sh; assemble '' dependencies"
INSTALL_GROUP = ". /opt/trainyard/common.sh; in_group {number} assemble '' dependencies"


def ensure_builders(assembler: Assembler) -> Base:
    """The base image; it and both builder images are built where they are missing or of other files than today's."""
    scripts = {role: role_context(assembler.repository.package, role) for role in BUILDER_NAMES}
    name = base_image(assembler)
    wanted = {role: f"{BUILDER_NAMES[role]}:{digest_of(name, scripts[role].sha256)[:12]}" for role in scripts}
    plain = {wanted[role]: BUILDER_NAMES[role] for role in scripts} | {name: BASE}
    there = assembler.inspect([*plain, *plain.values()])
    base = ensure_base(assembler, name, there.get(name))
    for role, image in wanted.items():
        if image not in there or assembler.commands.dry_run:
            build_role(assembler, scripts[role], base.name, image)
    for image, name in plain.items():  # the names that people use with s2i
        if image not in there or name not in there or there[image].id != there[name].id:
            assembler.commands.run([assembler.name, "tag", image, name], assembler.limit)
    return base


def build_role(assembler: Assembler, scripts: Context, base: str, image: str) -> None:
    """Put one role's s2i scripts on ``base``."""
    with tempfile.TemporaryDirectory() as name:
        scripts.write(Path(name))
        assembler.build_dockerfile(Path(name), image, {"BASE_IMAGE": base}, {})


def dependencies_hash(base: Base, plan: BuildPlan) -> str:
    """Names the dependency image of a plan."""
    key = digest_of(base.identity, INSTALL, plan.lock, plan.setup)[:16]
    for lock in plan.more_locks:
        key = digest_of(key, INSTALL_GROUP, lock)[:16]
    return key


def builder_image(assembler: Assembler, base: Base, plan: BuildPlan) -> str:
    """What a plan's image is built on: the name says which base, lock and scripts."""
    scripts = role_context(assembler.repository.package, plan.role).sha256[:8]
    return f"{DEPENDENCIES}:{dependencies_hash(base, plan)}-{BUILDERS[plan.role]}-{scripts}"


def ensure_dependencies(assembler: Assembler, base: Base, plan: BuildPlan) -> str:
    """The image to build ``plan`` on: its locks installed, its role's scripts in place."""
    image, builder = _installed(assembler, base, plan), builder_image(assembler, base, plan)
    with assembler.locked(f"scripts-{builder.rpartition(':')[2]}", f"the image {builder}"):
        if builder not in assembler.inspect([builder]):
            scripts = role_context(assembler.repository.package, plan.role)
            build_role(assembler, scripts, image, builder)
    return builder


def _installed(assembler: Assembler, base: Base, plan: BuildPlan) -> str:
    """The dependency image of a plan; made, where neither this machine nor the registry has it."""
    key, number = dependencies_hash(base, plan), len(plan.locks)
    image = f"{DEPENDENCIES}:{key}"
    with assembler.locked(f"deps-{key}", f"the dependencies {key}"):
        if image in assembler.inspect([image]) or assembler.cache.pull(image):
            return image
        files = [text_file(file_of(number, "lock"), plan.locks[-1].encode())]
        if number == 1:
            below, command = base.name, INSTALL
            files += [text_file("setup.sh", plan.setup)] if plan.setup else []
        else:
            below = _installed(assembler, base, replace(plan, more_locks=plan.more_locks[:-1]))
            command = INSTALL_GROUP.format(number=number)
        with console.waiting(f"Installing dependencies {key} ..."):
            named = [f"LABEL {NAME}={image}"]
            network = (number == 1 and bool(plan.setup)) or not assembler.settings.wheelhouse
            assembler.assemble(below, image, make_context(files), named, command, network=network)
        assembler.cache.push(image)
    return image


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
