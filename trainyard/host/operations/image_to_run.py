"""Which image a verb runs: one of today's sources, which is built first where there is none. BUILD=0 builds nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import LABEL_BAKED, BakedFile, parse_baked
from trainyard.host.engines.base import BuildPlan, BuiltImage
from trainyard.host.experiments.origin import Sources
from trainyard.host.monorepo.model_dir import ModelDir, Role
from trainyard.host.operations.assets.baked_assets import LABEL
from trainyard.host.operations.build import all_image, asked_assets, build_all, build_model, plan_all, plan_model
from trainyard.host.operations.session import Session


@dataclass(frozen=True)
class ImageToRun:
    """An image, as it was found when it was compared with the sources; ``found`` is None in a dry run that would have
    to build it."""

    name: str
    found: BuiltImage | None
    sources: Sources

    @property
    def id(self) -> str:
        """Of this very image, wherever its name leads; empty where nobody knows."""
        return self.found.id if self.found else ""

    @property
    def assets(self) -> str:
        """Which assets it has in it; empty where its binaries are those of models/, or it has none."""
        return self.found.labels.get(LABEL, "") if self.found else ""

    @property
    def baked(self) -> dict[str, str]:
        """The files of models/ that it has in it, and the sha256 of each."""
        return {file.name: file.sha256 for file in _baked_in(self.found)}


def image_to_run(session: Session, model: ModelDir, role: Role) -> ImageToRun:
    """A model's train or predict image.

    Raises:
        TrainyardError: it cannot be built; or there is none, and BUILD=0.
    """
    name = model.image(role)
    if _nobody_knows(session):
        return ImageToRun(name, None, "unknown")
    found = session.engine.images.find(name)
    sources = _compared(session, model, role, found)
    if not _is_to_build(session, name, found, sources, f"make build-{role}"):
        return ImageToRun(name, found, sources)
    build_model(session, model, role, bake=_bakes(session, found), assets=_assets(session, found))
    found = session.engine.images.find(name)
    return ImageToRun(name, found, _compared(session, model, role, found))


def merged_image_to_run(session: Session, folder: Path) -> ImageToRun:
    """The image of an ``all/`` folder; raises likewise."""
    name = all_image(session, folder)
    if _nobody_knows(session):
        return ImageToRun(name, None, "unknown")
    found = session.engine.images.find(name)
    sources = _compared_merged(session, folder, found)
    if not _is_to_build(session, name, found, sources, "make build-image"):
        return ImageToRun(name, found, sources)
    build_all(session, folder, bake=_bakes(session, found), assets=_assets(session, found))
    return ImageToRun(name, session.engine.images.find(name), "same")


def _nobody_knows(session: Session) -> bool:
    """A dry run works without an engine that could tell what is to be built."""
    return session.commands.dry_run and bool(session.engine.unavailable())


def _bakes(session: Session, found: BuiltImage | None) -> bool:
    """An image with binaries in it gets them again."""
    return session.settings.bake or bool(_baked_in(found))


def _assets(session: Session, found: BuiltImage | None) -> str:
    """Which assets an image gets: those that are asked for, or those that it has, but for BAKE=1."""
    if session.settings.assets or session.settings.bake or not found:
        return session.settings.assets
    return found.labels.get(LABEL, "")


def _baked_in(found: BuiltImage | None) -> tuple[BakedFile, ...]:
    return parse_baked(found.labels.get(LABEL_BAKED, "")) if found else ()


def _is_to_build(session: Session, name: str, found: BuiltImage | None, sources: Sources, how: str) -> bool:
    """Whether to build; what a person has to know of that is printed.

    Raises:
        TrainyardError: there is no image, and BUILD=0.
    """
    if not session.settings.build:
        if found is None and not session.commands.dry_run:
            raise TrainyardError(f"BUILD=0, and there is no image {name}", how)
        if found and sources == "changed":
            session.reporter.warn(
                f"the sources have changed since {name} was built, and BUILD=0 runs it as it is: {how}"
            )
        return False
    if found and sources == "unknown":
        session.reporter.warn(f"{name} was not built by make, and runs as it is: {how}")
        return False
    if found is None:
        session.reporter.step(f"There is no image {name} yet, so it is built first")
    elif sources == "changed":
        session.reporter.step(f"The sources have changed since {name} was built, so it is built first")
    return found is None or sources == "changed" or session.settings.force


def _compared(session: Session, model: ModelDir, role: Role, found: BuiltImage | None) -> Sources:
    """Today's sources, requirements and wiring, and the settings of builds, with what the image was built from."""

    def plan() -> BuildPlan:
        lock = session.known_resolver.model_lock(model, role)
        assets = asked_assets(session, [model], None) if role == "predict" else None
        return plan_model(model, role, lock, bake=session.settings.bake, assets=assets)

    return _judged(session, plan, found)


def _compared_merged(session: Session, folder: Path, found: BuiltImage | None) -> Sources:
    return _judged(session, lambda: plan_all(session, session.known_resolver, folder), found)


def _judged(session: Session, make_plan: Callable[[], BuildPlan], found: BuiltImage | None) -> Sources:
    """Without BAKE=1 or ASSETS, the binaries that were baked into the image are no sources: it keeps serving those."""
    if found is None or not found.identity:
        return "unknown"
    try:
        plan = make_plan()
    except (TrainyardError, OSError):  # not resolved yet, or a mistake, which the build will report
        return "changed"
    if not session.settings.bake and not session.settings.assets:
        plan = replace(plan, baked=_baked_in(found))
    return "same" if session.engine.builder.identity(plan) == found.identity else "changed"
