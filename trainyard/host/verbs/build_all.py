"""make build-all: which images are not of today's sources; make builds those, and no others.

Make runs the builds, as it runs everything: -j, -k and Ctrl-C mean what they always mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.build.grouping import check_wanted
from trainyard.host.engines.base import BuildPlan
from trainyard.host.monorepo.model_dir import ROLES, Role
from trainyard.host.monorepo.repository import all_members
from trainyard.host.operations.build import all_image, plan_all, plan_model
from trainyard.host.operations.session import Session
from trainyard.host.support import console


@dataclass(frozen=True)
class Target:
    """An image that may have to be built: make's target for it, and how, as far as that is known.

    ``plan`` is None where the requirements have to be resolved first, or where a mistake is in the way, which the build
    will say.
    """

    name: str
    image: str
    plan: BuildPlan | None
    remark: str = ""  # on its lock


def build_changed(session: Session, folder: Path) -> None:
    """Have make build every image below ``folder`` (the monorepo, or an ``all/``) that is not up to date."""
    check_wanted(session.settings.groups)
    targets = list(_targets(session, folder))
    stale = targets if session.settings.force else _stale(session, targets)
    _say_unlocked(session, [target.remark for target in targets if target.remark and target not in stale])
    if not stale:
        session.reporter.step(f"All {len(targets)} images are up to date")
        return
    if session.commands.dry_run:
        for target in stale:
            console.result(f"build {target.image}")
        return
    session.reporter.step(f"To build: {len(stale)} of {len(targets)} images")
    session.commands.become_make(folder, [target.name for target in stale])


def _say_unlocked(session: Session, remarks: list[str]) -> None:
    """Of images that are up to date; whoever is built says it then."""
    if remarks:
        more = f" (and {len(remarks) - 1} more)" if remarks[1:] else ""
        session.reporter.warn(f"{remarks[0]}{more}: make lock")


def _stale(session: Session, targets: list[Target]) -> list[Target]:
    """Those whose image is missing, or of another identity than its plan."""
    built = session.engine.images.built(target.image for target in targets)
    return [
        target
        for target in targets
        if not (
            target.plan
            and built.get(target.image)
            and built[target.image] == session.engine.builder.identity(target.plan)
        )
    ]


def _targets(session: Session, folder: Path) -> Iterator[Target]:
    """Train images first: they have the larger dependencies, and with -j different ones are installed side by side."""
    root = session.repository.root
    top = folder == root
    models = session.repository.every_model_path() if top else all_members(folder, session.repository)
    base = root / "projects" if top or folder.parent == root else folder.parent
    for role in ROLES:
        for path in models:
            yield _model_target(session, path, role, f"{role}-image+{_as_target(path.relative_to(base))}")
    if top:
        for merged in session.repository.all_folders():
            yield _all_target(session, merged, f"merge+{_as_target(merged.relative_to(root))}")
    else:
        yield _all_target(session, folder, "build-image")


def _model_target(session: Session, path: Path, role: Role, name: str) -> Target:
    try:
        model = session.repository.model(path)
        image = model.image(role)
    except (TrainyardError, OSError):
        return Target(name, f"{path.parent.name}/{path.name} ({role})", None)
    try:
        lock = session.known_resolver.model_lock(model, role)
        if lock.remark and session.settings.strict:
            return Target(name, image, None)
        return Target(name, image, plan_model(model, role, lock, bake=session.settings.bake), lock.remark)
    except (TrainyardError, OSError):  # not resolved yet, or a mistake
        return Target(name, image, None)


def _all_target(session: Session, folder: Path, name: str) -> Target:
    try:
        image = all_image(session, folder)
        plan = plan_all(session, session.known_resolver, folder)
    except (TrainyardError, OSError):
        return Target(name, session.short(folder), None)
    return Target(name, image, plan)


def _as_target(path: Path) -> str:
    """A slash in a target's name would mean a folder to make."""
    return str(path).replace("/", "+")
