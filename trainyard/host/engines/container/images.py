"""The images between the base image and a model's own.

trainyard/train, daemon   the builder images that people use with s2i
trainyard/deps:<hash>     base with one lock installed, shared by all models, and both roles, of that lock; where models
                          are in groups, one on top of the other, each with one environment more
trainyard/deps:<hash>-*   what a model image is built on
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from trainyard.contract.environment import parse_environment
from trainyard.host.build.builder_files import BUILDERS, role_context
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.container.assembling import Assembler, Image
from trainyard.host.engines.container.base_images import BASE, Base, base_images, ensure_bases, known_bases
from trainyard.host.engines.container.cache import NAME
from trainyard.host.engines.container.installing import IN_GROUP, INSTALL, install
from trainyard.host.engines.container.role_images import BUILDER_NAMES, build_role, install_role, role_image
from trainyard.host.monorepo.model_dir import Role
from trainyard.host.support.digests import digest_of

DEPENDENCIES = "trainyard/deps"
USERS: dict[Role, str] = {"train": "0", "predict": "1001"}


def builder_names(assembler: Assembler) -> dict[str, str]:
    """The names of the base image and the builder images of today's files, with those that people use with s2i."""
    base = next(iter(base_images(assembler)))
    return {base: BASE} | {role_image(assembler, base, role): name for role, name in BUILDER_NAMES.items()}


def found_builders(assembler: Assembler) -> dict[str, Image]:
    """Those of them that are here, under either name, and the runtime's base image."""
    names = builder_names(assembler)
    return assembler.built([*names, *base_images(assembler)], names.values())


def builders_here(assembler: Assembler, there: Mapping[str, Image]) -> Base | None:
    """The base image, where it and both builder images are ``there``, under all of their names."""
    names = builder_names(assembler)
    if assembler.commands.dry_run or any(_misnamed(there, image, name) for image, name in names.items()):
        return None
    return known_bases(assembler, there)


def ensure_builders(assembler: Assembler) -> Base:
    """The base image, with its runtime; they and both builder images are built where they are missing or of other files
    than today's."""
    names, there = builder_names(assembler), found_builders(assembler)
    base = ensure_bases(assembler, there)
    for role in BUILDER_NAMES:
        image = role_image(assembler, base.name, role)
        if image not in there or assembler.commands.dry_run:
            build_role(assembler, role, base.name)
    for image, name in names.items():
        if _misnamed(there, image, name):
            assembler.commands.run([assembler.name, "tag", image, name], assembler.limit)
    return base


def _misnamed(there: Mapping[str, Image], image: str, name: str) -> bool:
    return image not in there or name not in there or there[image].id != there[name].id


def dependencies_hash(base: Base, plan: BuildPlan) -> str:
    """Names the dependency image of a plan."""
    runtime = [base.runtime.identity] if base.runtime else []
    first, *more = plan.packages
    key = digest_of(base.identity, INSTALL, first, plan.setup_identity, *runtime)[:16]
    for packages in more:
        key = digest_of(key, IN_GROUP, packages)[:16]
    return key


def builder_image(assembler: Assembler, base: Base, plan: BuildPlan) -> str:
    """What a plan's image is built on: the name says which base, lock and scripts."""
    scripts = role_context(plan.role).sha256[:8]
    return f"{_dependencies_image(base, plan)}-{BUILDERS[plan.role]}-{scripts}"


def has_dependencies(assembler: Assembler, base: Base, plan: BuildPlan) -> bool:
    """Whether the locks of a plan are installed in an image that is here."""
    names = _dependencies_image(base, plan), builder_image(assembler, base, plan)
    return bool(assembler.built(names))


def _dependencies_image(base: Base, plan: BuildPlan) -> str:
    return f"{DEPENDENCIES}:{dependencies_hash(base, plan)}"


def ensure_dependencies(assembler: Assembler, base: Base, plan: BuildPlan, *, anew: bool = False) -> None:
    """Make the image to build ``plan`` on, where it is not there: its locks installed, its role's scripts in place.
    ``anew``: also where it is."""
    image, builder = _dependencies_image(base, plan), builder_image(assembler, base, plan)
    with _locked(assembler, base, plan):
        there = {} if anew else assembler.built([image, builder])
        if image not in there:
            _make_dependencies(assembler, base, plan, anew=anew)
        if builder not in there:
            install_role(assembler, plan.role, base.name, image, builder)


def ensure_installed(assembler: Assembler, base: Base, plan: BuildPlan) -> str:
    """The name of an image with the locks of ``plan`` installed, and nothing of a role; made where it is not there."""
    image = _dependencies_image(base, plan)
    with _locked(assembler, base, plan):
        if image not in assembler.built([image]):
            _make_dependencies(assembler, base, plan, anew=False)
    return image


def _locked(assembler: Assembler, base: Base, plan: BuildPlan) -> AbstractContextManager[None]:
    key = dependencies_hash(base, plan)
    return assembler.locked(f"deps-{key}", f"the dependencies {key}", for_all=True)


def _make_dependencies(assembler: Assembler, base: Base, plan: BuildPlan, *, anew: bool) -> None:
    """The dependency image of a plan. That of several groups of models stands on that of all but the last: what is
    below is not installed again where the requirements of that one change."""
    image = _dependencies_image(base, plan)
    if not anew and assembler.cache.pull(image):
        return
    below = ""
    if plan.more_locks:
        fewer = replace(plan, more_locks=plan.more_locks[:-1])
        below = _dependencies_image(base, fewer)
        with _locked(assembler, base, fewer):
            if anew or below not in assembler.built([below]):
                _make_dependencies(assembler, base, fewer, anew=anew)
    with assembler.reporter.waiting(f"Installing dependencies {image.rpartition(':')[2]} ..."):
        install(assembler, base, below, image, plan, [f"LABEL {NAME}={image}"])
    assembler.cache.push(image)


def changes(assembler: Assembler, plan: BuildPlan, builder: str, own: Mapping[str, str]) -> list[str]:
    """What ``s2i build`` would set in the image: command, user, labels (and our ``own``), each environment key."""
    environment = parse_environment(plan.context.read(".s2i/environment").decode("utf-8-sig"), Path(".s2i/environment"))
    labels = {
        "io.k8s.display-name": plan.image,
        "io.openshift.s2i.build.image": builder,
        "io.openshift.s2i.build.source-location": "trainyard",
        **own,
    }
    return [
        'CMD ["/usr/libexec/s2i/run"]',
        f"USER {USERS[plan.role]}",
        *assembler.assigned("LABEL", labels),
        *assembler.assigned("ENV", environment),
    ]
