"""make ci-build: the images that a change touches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainyard.errors import TrainyardError
from trainyard.host.ci.base_commit import base_commit
from trainyard.host.monorepo.model_dir import ROLES
from trainyard.host.operations.affected_models import affected_by
from trainyard.host.operations.image_to_run import image_to_run
from trainyard.host.operations.session import Session


@dataclass(frozen=True)
class Built:
    """An image of a model; or why it is not there."""

    name: str
    error: str = ""


def build_touched(session: Session) -> Iterator[Built]:
    """Build what is missing or stale of the models that changed since SINCE; one that fails stops no other.

    Raises:
        TrainyardError: git does not say what changed.
    """
    repository = session.repository
    base = base_commit(repository.root, session.settings.since)
    for name in sorted(affected_by(session, repository.changed_paths(base)).models):
        for role in ROLES:
            try:
                model = repository.model(repository.root / "projects" / name)
                yield Built(image_to_run(session, model, role).name)
            except (TrainyardError, OSError) as error:
                session.reporter.warn(f"{name} ({role}) was not built: {error}")
                yield Built(f"{name} ({role})", str(error))
