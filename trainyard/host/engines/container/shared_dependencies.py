"""Dependency images for contexts that s2i builds without make: a historical build.sh installs its requirements once.

A dependency image is what assemble makes of the context's requirements and setup.sh alone. When the sources come on
top, assemble compares a hash of both; where that differs it installs as it always did, so a wrong guess costs only
time. A setup.sh needs care: in a dependency image it runs without the sources.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from trainyard.errors import TrainyardError
from trainyard.host.build.builder_files import BUILDERS
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.container import images
from trainyard.host.engines.container.assembling import Assembler
from trainyard.host.engines.container.base_images import base_images, known_bases
from trainyard.host.engines.container.cache import NAME
from trainyard.host.engines.container.role_images import BUILDER_NAMES, role_image
from trainyard.host.monorepo.model_dir import Role
from trainyard.host.monorepo.repository import Repository
from trainyard.host.requirements.requirement_text import logical_lines
from trainyard.host.support.command import Commands
from trainyard.host.support.context import make_context
from trainyard.host.support.product import PRODUCT
from trainyard.host.support.reporter import Reporter
from trainyard.settings.host import HostSettings

ENGINE = "docker"  # s2i drives no other
_WORD = re.compile(r"[^\s;&|<>()'\"`=]+")
# Where the sources are while an image is assembled, and what may lead there: a variable, a pattern.
_SOURCES = ("/tmp/src", "/model", "/action")  # noqa: S108 -- the container's
_OPEN = re.compile(r"[$*?\[]")


def dependency_builder(
    repository: Repository, settings: HostSettings, builder: str, source: Path, reporter: Reporter
) -> str:
    """The image that has what the context ``source`` installs, made where it is missing; empty where ``builder`` is not
    a builder image of ``repository``, or what is installed depends on more than the requirements and setup.sh.

    Raises:
        TrainyardError: it cannot be installed.
    """
    assembler = Assembler(ENGINE, repository, settings, Commands(reporter=reporter))
    if assembler.commands.query([ENGINE, "image", "inspect", builder]) is None:
        return ""  # s2i pulls it, or says what is missing
    role = _role(assembler, builder)
    base = known_bases(assembler, assembler.inspect(base_images(assembler)))
    plan = dependency_plan(source, role, strict=settings.strict) if role else None
    if base is None or plan is None:
        return ""
    images.ensure_dependencies(assembler, base, plan, anew=settings.force)
    return images.builder_image(assembler, base, plan)


def application_folder(image: str) -> str:
    """Where an image has its application; empty where it is not here, or does not say."""
    line = "{{range .Config.Env}}{{println .}}{{end}}"
    found = Commands().query([ENGINE, "image", "inspect", "--format", line, image])
    lines = found.stdout.splitlines() if found else []
    return next((one.removeprefix("APP_ROOT=") for one in lines if one.startswith("APP_ROOT=")), "")


def _role(assembler: Assembler, builder: str) -> Role | None:
    """The role of today's builder image that has the name ``builder``, too."""
    base = next(iter(base_images(assembler)))
    roles = {role_image(assembler, base, role): role for role in BUILDERS}
    name = builder.removesuffix(":latest")
    found = assembler.inspect([name, *roles])
    if name not in found:
        return None
    for image, role in roles.items():
        if image in found and found[image].id == found[name].id:
            return role
    built_as = found[name].labels.get(NAME, "").partition(":")[0]
    if built_as in BUILDER_NAMES.values():
        assembler.reporter.warn(
            f"{builder} is not of the sources in {PRODUCT}: make builders there, docker tag {built_as} {builder}"
        )
    return None


def dependency_plan(source: Path, role: Role, *, strict: bool = False) -> BuildPlan | None:
    """What a context installs, as far as its requirements and setup.sh say; None where something else may, too.
    ``strict``: only from a lock."""
    lock, plain = source / "requirements.lock", source / "requirements.txt"
    if (source / "requirements.2.lock").exists():  # groups of models
        return None
    try:
        text = next((path.read_text() for path in (lock, plain) if path.is_file()), "")
        setup = (source / "setup.sh").read_bytes() if (source / "setup.sh").is_file() else b""
    except (OSError, UnicodeDecodeError):
        return None  # assemble says what is wrong with it
    locked = lock.is_file()
    if not locked and (strict or not _is_plain(plain, text)):
        return None
    if setup and ((source / ".s2iignore").exists() or names_sources(setup.decode(errors="replace"), source)):
        return None
    return BuildPlan("", role, make_context([]), text, setup, locked=locked)


def _is_plain(path: Path, text: str) -> bool:
    """Whether each line names a package of the index."""
    try:
        return all(Requirement(line.text).url is None for line in logical_lines(path, text))
    except (InvalidRequirement, TrainyardError):
        return False


def names_sources(setup: str, source: Path) -> bool:
    """Whether a setup.sh names, or may name, something that lies in the context."""
    lines = (line for line in setup.splitlines() if not line.lstrip().startswith("#"))
    return any(_may_be_source(word, source) for line in lines for word in _WORD.findall(line))


def _may_be_source(word: str, source: Path) -> bool:
    if word.startswith("/"):
        return word.startswith(_SOURCES)
    return bool(_OPEN.search(word)) or (source / word).exists()
