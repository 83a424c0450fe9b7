"""make push: images to a registry, by digest, tagged by the git commit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations import push as operation
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.settings.compute import RegistrySettings

FORMATS = ("table", "json")


def push_model(session: Session, model: ModelDir) -> None:
    """Push a model's train and predict image."""
    _push(session, [model.path], [])


def push_all(session: Session, folder: Path) -> None:
    """Push the image of an ``all/`` folder."""
    _push(session, [], [folder])


def push_everything(session: Session, _: Path) -> None:
    """Push the images of every model and of every ``all/``; with SINCE those that ``make affected`` names."""
    _push(session, session.repository.every_model_path(), session.repository.all_folders())


def _push(session: Session, models: Iterable[Path], folders: Iterable[Path]) -> None:
    """Print how the registry calls each image, by digest.

    Raises:
        TrainyardError: one was not pushed, or there is nowhere to push to.
    """
    form, dry_run = session.experiments.format, session.commands.dry_run
    if form not in FORMATS:
        raise TrainyardError(f"FORMAT={form}: not a form of make push", f"choose among {', '.join(FORMATS)}")
    settings = RegistrySettings.read()
    registry = operation.registry_of(session, settings.registry)
    operation.check_tag(settings.tag)
    found = []
    for one in operation.push(session, registry, settings.tag, models, folders):
        found.append(one)
        if one.reference and form == "table" and not dry_run:
            console.result(one.reference)
    if form == "json" and not dry_run:
        console.result(json.dumps([asdict(one) for one in found], indent=2))
    if failed := [one for one in found if one.error]:
        raise TrainyardError(f"{len(failed)} of {len(found)} images were not pushed: see above", "", EXIT_FAILED)
    if not found:
        session.reporter.step(f"Nothing of it changed since {session.settings.since}: nothing is pushed")
