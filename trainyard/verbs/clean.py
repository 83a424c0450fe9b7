"""make clean: removes what can be built again. Binaries and records in models/ are not touched."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from trainyard import console
from trainyard.errors import TrainyardError
from trainyard.merge import GENERATED
from trainyard.model_dir import ROLES, ModelDir
from trainyard.verbs.build import all_image
from trainyard.verbs.run import stop
from trainyard.verbs.session import Session


def clean_model(session: Session, model: ModelDir) -> None:
    """Stop a model's server and remove its images from every engine."""
    stop(session, model.image("predict"))
    for role in ROLES:
        _remove(session, model.image(role))


def clean_all(session: Session, folder: Path) -> None:
    """Stop the server of an ``all/`` folder, remove its image and what was generated."""
    image = all_image(session, folder)
    stop(session, image)
    _remove(session, image)
    for name in GENERATED:
        if session.commands.dry_run:
            console.result(f"rm -f {folder / name}")
        else:
            (folder / name).unlink(missing_ok=True)


def clean_everything(session: Session) -> None:
    """All of that for every model and every ``all/``, and the state folder."""
    for model in session.repository.models():
        clean_model(session, model)
    root = session.repository.root
    for makefile in [*root.glob("projects/*/all/Makefile"), *root.glob("all/Makefile")]:
        with contextlib.suppress(TrainyardError):  # without a CONTAINER_NAME there is no image of it
            clean_all(session, makefile.parent)
    if session.commands.dry_run:
        console.result(f"rm -r {session.repository.state}")
    else:
        shutil.rmtree(session.repository.state, ignore_errors=True)
    console.step("Binaries in models/ are kept; builder and dependency images are kept for the next build")


def _remove(session: Session, image: str) -> None:
    for engine in session.engines():
        if engine.remove_image(image) and not session.commands.dry_run:
            console.step(f"Removed {image} ({engine.name})")
