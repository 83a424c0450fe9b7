"""make clean: removes what can be built again. Binaries and records in models/ are not touched."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.build.merge import generated
from trainyard.host.monorepo.model_dir import ROLES, ModelDir
from trainyard.host.operations.build import all_image
from trainyard.host.operations.reproducing.work_trees import remove_leftovers
from trainyard.host.operations.serve import container_name
from trainyard.host.operations.servers import stop, stop_everything
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def clean_model(session: Session, model: ModelDir) -> None:
    """Stop a model's server and remove its images from every engine."""
    stop(session, model.image("predict"))
    _remove(session, _images(model))


def clean_all(session: Session, folder: Path) -> None:
    """Stop the server of an ``all/`` folder, remove its image and what was generated."""
    image = all_image(session, folder)
    stop(session, image)
    _remove(session, [image])
    _remove_generated(session, folder)


def clean_everything(session: Session, _: Path) -> None:
    """All of that for every model and every ``all/``, and the state folder; with ALL=1 everything that is ours."""
    if session.settings.clean_runs and not session.experiments.everything:
        raise TrainyardError("RUNS=1 alone removes nothing", "make clean ALL=1 RUNS=1")
    images, unreadable = session.model_images()
    for folder in session.repository.all_folders():
        with contextlib.suppress(TrainyardError):  # without a CONTAINER_NAME there is no image of it
            images.append(all_image(session, folder))
        _remove_generated(session, folder)
    stop_everything(session)
    remove_leftovers(session)
    if session.experiments.everything:
        from trainyard.host.verbs.clean_all import remove_all

        remove_all(session, images)
        return
    _remove(session, images)
    if session.commands.dry_run:
        console.result(f"rm -r {session.repository.state}")
    else:
        for engine in session.engines():
            engine.builder.remove_leftovers()
        shutil.rmtree(session.repository.state, ignore_errors=True)
    session.reporter.step("Binaries in models/ are kept; builder and dependency images are kept for the next build")
    if unreadable:
        raise TrainyardError(f"the images of {len(unreadable)} model(s) are kept: {unreadable[0]}", "", EXIT_FAILED)


def _images(model: ModelDir) -> list[str]:
    return [model.image(role) for role in ROLES]


def _remove(session: Session, images: list[str]) -> None:
    """Remove those of ``images`` that are there, and what a server of such an image left behind when it crashed."""
    for engine in session.engines():
        there = engine.images.built(images)
        for image in images:
            if image not in there:
                continue
            engine.runner.stop(container_name(image))
            if engine.images.remove(image) and not session.commands.dry_run:
                session.reporter.step(f"Removed {image} ({engine.name})")


def _remove_generated(session: Session, folder: Path) -> None:
    for path in generated(folder):
        if session.commands.dry_run:
            console.result(f"rm -f {path}")
        else:
            path.unlink(missing_ok=True)
