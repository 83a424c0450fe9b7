"""make audit: whether the images that are here hold credentials, in whatever layer.

Credentials of this machine's build settings are looked for everywhere, forms of well-known services outside of what
others have made: packages bring such strings with them, as examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ROLES, ModelDir
from trainyard.host.operations.build import all_image
from trainyard.host.operations.session import Session
from trainyard.host.secrets.credentials import all_credentials, too_short
from trainyard.host.secrets.leaks import Finding, find
from trainyard.host.support import console

OF_OTHERS = re.compile(r"^/?usr/(?!local/bin/)|/site-packages/")


def audit_model(session: Session, model: ModelDir) -> None:
    """Look through a model's images."""
    _audit(session, [model.image(role) for role in ROLES])


def audit_all(session: Session, folder: Path) -> None:
    """Look through the image of an ``all/`` folder."""
    _audit(session, [all_image(session, folder)])


def audit_everything(session: Session, _: Path) -> None:
    """Look through every image of the monorepo."""
    images, unreadable = session.model_images()
    for folder in session.repository.all_folders():
        try:
            images.append(all_image(session, folder))
        except TrainyardError as error:
            unreadable.append(error)
    _audit(session, images)
    if unreadable:
        raise TrainyardError(
            f"the images of {len(unreadable)} folder(s) were not searched: {unreadable[0]}", "", EXIT_FAILED
        )


def _audit(session: Session, images: Iterable[str]) -> None:
    """Say what is found, a line each.

    Raises:
        TrainyardError: something is found, or none of the images is here.
    """
    engine = session.engine
    there = sorted(engine.images.built(images))
    if not there:
        raise TrainyardError(f"{engine.name} has none of {', '.join(images)}", "build them first: make build-all")
    if session.commands.dry_run:
        console.result(f"look through {' '.join(there)}")
        return
    credentials = all_credentials(session.settings)
    for name in too_short(credentials):
        session.reporter.warn(f"{name} is too short to be searched for")

    def look(path: str, content: bytes) -> tuple[Finding, ...]:
        return tuple(find(content, credentials, kinds=not OF_OTHERS.search(path)))

    found = 0
    with session.reporter.waiting(f"Looking through {len(there)} images ..."):
        for stored in engine.images.search(there, look):
            for finding in stored.findings:
                found += 1
                console.result(f"{', '.join(stored.images)}: {stored.place}: {stored.path}: {finding.what}")
    if found:
        raise TrainyardError(
            f"{found} credentials in images: see above",
            "remove what wrote them, build again with FORCE=1, and change the credentials: images may have been copied",
            EXIT_FAILED,
        )
    names = ", ".join(credential.name for credential in credentials) or "none were given"
    session.reporter.step(f"No credentials in {len(there)} images (of this machine: {names}; and of well-known forms)")
