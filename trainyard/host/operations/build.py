"""From a model directory to an image; from an all/ folder to the image of its models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from trainyard.contract.routes import train_target
from trainyard.errors import TrainyardError
from trainyard.host.build import baked_files as baking
from trainyard.host.build.baked_files import LABEL_BAKED
from trainyard.host.build.grouping import MergedLocks
from trainyard.host.build.merge import Merged, merge, write_merged
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.build_errors import BadWiring
from trainyard.host.monorepo.model_dir import ModelDir, Role, read_variables
from trainyard.host.monorepo.repository import all_members
from trainyard.host.monorepo.sources import model_context, read_setup, setup_files
from trainyard.host.operations.assets.baked_assets import Assets
from trainyard.host.operations.secret_check import refuse_secrets
from trainyard.host.operations.session import Session
from trainyard.host.requirements.conflicts import check_requirements
from trainyard.host.requirements.errors import Unresolved
from trainyard.host.requirements.merged_requirements import union_of
from trainyard.host.requirements.requirement_files import model_requirement
from trainyard.host.requirements.resolver import Lock, Resolver

LABEL_REVISION = "org.opencontainers.image.revision"


def build_model(
    session: Session,
    model: ModelDir,
    role: Role,
    image: str = "",
    *,
    bake: bool | None = None,
    assets: str | None = None,
) -> str:
    """Build one model's train or predict image, where it is not up to date; its name. ``bake`` and ``assets``: in place
    of the settings."""
    session.repository.check_names(model)
    _check(session, model, role)
    try:
        session.known_resolver.model_lock(model, role)
    except Unresolved:
        check_requirements(model)
    lock = session.resolver.model_lock(model, role)
    bake = session.settings.bake if bake is None else bake
    found = asked_assets(session, [model], assets) if role == "predict" else None
    return _build(session, plan_model(model, role, lock, image, bake=bake, assets=found), model.path, [model], found)


def plan_model(
    model: ModelDir, role: Role, lock: Lock, image: str = "", *, bake: bool, assets: Assets | None = None
) -> BuildPlan:  # fmt: skip
    """How one model's image is built. ``assets`` take the place of what is in models/."""
    baked = assets.files if assets else baking.files_of([model]) if role == "predict" and bake else ()
    requirement, setup = model_requirement(model, role), read_setup(model)
    context = model_context(model, requirement.text, lock.text)
    image, beside = image or model.image(role), tuple(setup_files(model))
    return BuildPlan(
        image, role, context, lock.text, setup, baked, setup_files=beside, local_packages=requirement.packages
    )


def asked_assets(session: Session, models: Iterable[ModelDir], name: str | None) -> Assets | None:
    name = session.settings.assets if name is None else name
    if not name:
        return None
    # What reads config.yaml and data stores takes a quarter of a second to import.
    from trainyard.host.operations.assets.assets import assets_for

    return assets_for(session, models, name)


def build_all(session: Session, folder: Path, *, bake: bool | None = None, assets: str | None = None) -> str:
    """Build the ``all`` image of an ``all/`` folder, where it is not up to date; its name."""
    locks = MergedLocks(session.resolver, folder)
    merged = create_routes(session, folder, locks)
    bake = session.settings.bake if bake is None else bake
    found = asked_assets(session, merged.members, assets)
    return _build(session, _plan_merged(session, merged, locks, found, bake=bake), folder, merged.members, found)


def plan_all(session: Session, resolver: Resolver, folder: Path) -> BuildPlan:
    """How the ``all`` image of an ``all/`` folder is built."""
    locks = MergedLocks(resolver, folder)
    merged = locks.in_groups(merge_members(session, folder))
    assets = asked_assets(session, merged.members, None)
    return _plan_merged(session, merged, locks, assets, bake=session.settings.bake)


def _plan_merged(
    session: Session, merged: Merged, locks: MergedLocks, assets: Assets | None, *, bake: bool
) -> BuildPlan:  # fmt: skip
    lock, *more = locks.locks_of(merged)
    baked = assets.files if assets else baking.files_of(merged.members) if bake else ()
    context, setup = merged.context((lock, *more)), merged.setup.encode()
    image = all_image(session, locks.folder)
    beside, packages = merged.setup_files, union_of(merged.members).packages
    return BuildPlan(
        image, "predict", context, lock, setup, baked,
        more_locks=tuple(more), setup_files=beside, local_packages=packages,
    )  # fmt: skip


def create_routes(session: Session, folder: Path, locks: MergedLocks | None = None) -> Merged:
    """Generate the files of an ``all/`` folder."""
    locks = locks or MergedLocks(session.resolver, folder)
    merged = merge_members(session, folder)
    for model in merged.members:
        _check(session, model, "predict")
        check_requirements(model)
    merged = locks.in_groups(merged)
    if len(merged.groups) > 1:
        session.reporter.step(locks.described(merged))
    if not session.commands.dry_run:
        write_merged(merged, folder)
    say_written(session, [folder / path for path in merged.files()])
    return merged


def merge_members(session: Session, folder: Path) -> Merged:
    """What an ``all/`` folder merges; nothing is written."""
    return merge(session.repository.model(path) for path in all_members(folder, session.repository))


def all_image(session: Session, folder: Path) -> str:
    """The image of an ``all/`` folder: its CONTAINER_NAME."""
    variables = read_variables(folder / "Makefile")
    given = session.repository.overrides.get("CONTAINER_NAME")
    name = given or (variables["CONTAINER_NAME"].text if "CONTAINER_NAME" in variables else "")
    if not name:
        raise TrainyardError(f"{folder / 'Makefile'}: CONTAINER_NAME is missing", "add a line CONTAINER_NAME := ...")
    return name


def _labels(
    session: Session, plan: BuildPlan, models: Iterable[ModelDir], assets: Assets | None
) -> dict[str, str]:  # fmt: skip
    """Where an image came from, under the names of the OCI image specification (annotations.md) where it has one."""
    labels = {
        "org.opencontainers.image.title": plan.image,
        "org.opencontainers.image.source": session.repository.source(),
        LABEL_REVISION: session.repository.commit(models),
        "trainyard.lock": hashlib.sha256("".join(plan.locks).encode()).hexdigest(),
        LABEL_BAKED: baking.listed(plan.baked),
        **(assets.labels if assets else {}),
    }
    return {name: value for name, value in labels.items() if value}


def say_written(session: Session, paths: list[Path]) -> None:
    """Print which files were written, or in a dry run would be."""
    for path in paths:
        if session.commands.dry_run:
            session.reporter.would(f"write {session.short(path)}")
        else:
            session.reporter.step(f"Wrote {session.short(path)}")


def _check(session: Session, model: ModelDir, role: Role) -> None:
    """Report all that can be reported before an engine starts."""
    for warning in model.environment.warnings:
        session.reporter.warn(warning)
    if role == "train":
        train_target(model.environment)
    else:
        _ = model.routes


def _build(
    session: Session, plan: BuildPlan, folder: Path, models: Iterable[ModelDir], assets: Assets | None = None
) -> str:  # fmt: skip
    """Build; where assemble names a file of the context, the error names the file that the user wrote."""
    refuse_secrets(session, plan, folder)
    try:
        built = session.engine.builder.build(replace(plan, labels=partial(_labels, session, plan, models, assets)))
    except BadWiring as error:
        raise TrainyardError(f"{folder}/{error.message}", error.hint, error.exit_code) from None
    if not built:
        session.reporter.step(f"{plan.image} is up to date")
    elif not session.commands.dry_run:
        session.reporter.step(f"Built {plan.image}")
    return plan.image
