"""Our own servers as images: the tracker and the retrain service."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import packaging.requirements

from trainyard.host.engines.base import ProgramPlan
from trainyard.host.monorepo.sources import tree
from trainyard.host.operations.session import Session
from trainyard.host.requirements.requirement_files import Requirement
from trainyard.host.requirements.requirement_text import Line
from trainyard.host.support.context import Context, make_context
from trainyard.host.support.product import BUILDER_SOURCES, PACKAGE, PRODUCT

FOLDER = "/opt/server"
STATE = "/var/lib/trainyard"
MODELS = "/srv/models"  # what follow-version keeps a version in, for a server beside it
GIT = b"apt-get update -qq\napt-get install -y -qq --no-install-recommends git make openssh-client\n"
EVERYWHERE = {
    "PYTHONPATH": FOLDER,
    "HOME": STATE,
    "USER": "trainyard",  # MLflow asks who trains, and an uid of no name has no answer
    "BIND": "0.0.0.0",  # noqa: S104 -- the container's own; who runs it says what is published
}


@dataclass(frozen=True)
class Server:
    """What an image of a server has. ``extras`` are those of pyproject.toml."""

    name: str
    extras: tuple[str, ...]
    verb: str
    port: int
    setup: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[str, ...] = (STATE,)


TRACK = Server("track", ("tracker",), "track", 5007)
RETRAIN = Server(
    "retrain", ("retrain", "s3", "gs", "abfs", "https", "sftp", "dvc"), "retrain-service", 5005, GIT,
    {
        "ENGINE": "process",
        "GIT_CONFIG_SYSTEM": f"{FOLDER}/gitconfig",  # not GIT_CONFIG_COUNT: git hides it from what reads the source
        "VERSION_FOLDER": MODELS,
    },
    (STATE, MODELS),
)  # fmt: skip


def image_of(server: Server) -> str:
    """The name of a server's image."""
    return f"trainyard/{server.name}"


def build_server(session: Session, server: Server) -> None:
    """Build the image of a server where it is not there, or of other files.

    Raises:
        TrainyardError: the engine makes no images, or a build fails.
    """
    wanted = f"trainyard[{','.join(server.extras)}]"
    requirements = tuple(_as_requirement(name, lines) for name, lines in _by_extra(wanted).items())
    lock = session.resolver.together(requirements)[0]
    plan = ProgramPlan(
        image_of(server), _context(), lock.text, server.setup, FOLDER, (f"{FOLDER}/start.sh", server.name),
        (server.verb,), {**EVERYWHERE, **server.environment}, server.port, server.writable,
    )  # fmt: skip
    if session.engine.builder.build_program(plan):
        session.reporter.step(f"Built {plan.image}")
    else:
        session.reporter.step(f"{plan.image} is up to date")


def _context() -> Context:
    """The package, and what it looks for beside itself, as a clone has it."""
    start = tree(BUILDER_SOURCES / "servers", PurePosixPath(), PRODUCT)
    beside = () if PRODUCT.is_relative_to(PACKAGE) else tree(BUILDER_SOURCES, PurePosixPath("builders"), PRODUCT)
    return make_context([*start, *tree(PACKAGE, PurePosixPath("trainyard"), PACKAGE.parent), *beside])


def _by_extra(wanted: str) -> dict[str, list[str]]:
    """What our package needs with some extras, and what it needs anyway: the lock is of both."""
    plain = set(_needed("trainyard"))
    return {wanted: sorted(set(_needed(wanted)) - plain), "trainyard": sorted(plain)}


def _needed(wanted: str) -> Iterator[str]:
    """The packages that ``trainyard[...]`` needs, each as an installer takes it."""
    extras = packaging.requirements.Requirement(wanted).extras
    for text in importlib.metadata.requires("trainyard") or ():
        found = packaging.requirements.Requirement(text)
        if found.marker and not any(found.marker.evaluate({"extra": extra}) for extra in extras or ("",)):
            continue
        if not extras or found.marker:  # with extras: what only they bring
            found.marker = None
            yield from _needed(str(found)) if found.name == "trainyard" else (str(found),)


def _as_requirement(name: str, lines: list[str]) -> Requirement:
    path = Path(name)
    return Requirement(path, "".join(f"{line}\n" for line in lines), lines=tuple(Line(path, 0, line) for line in lines))
