"""make ci-build: the images that a change touches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from trainyard.host.ci.one_by_one import Done, done
from trainyard.host.ci.touched import touched_images
from trainyard.host.monorepo.model_dir import ROLES, Role
from trainyard.host.operations.image_to_run import image_to_run
from trainyard.host.operations.session import Session


def build_touched(session: Session) -> Iterator[Done]:
    """Build what is missing or stale of the models that changed since SINCE; one that fails stops no other.

    Raises:
        TrainyardError: git does not say what changed.
    """
    for name in touched_images(session):
        for role in ROLES:
            yield done(session.reporter, f"{name} ({role})", partial(_built, session, name, role))


def _built(session: Session, name: str, role: Role) -> str:
    model = session.repository.model(session.repository.root / "projects" / name)
    return image_to_run(session, model, role).name
