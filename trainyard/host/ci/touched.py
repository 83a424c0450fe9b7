"""Which models a change touches: their images, or the values that only a training gets."""

from __future__ import annotations

from trainyard.host.ci.base_commit import base_commit
from trainyard.host.experiments.config import FILE as CONFIG
from trainyard.host.experiments.parameters import TUNED
from trainyard.host.operations.affected_models import affected_by
from trainyard.host.operations.session import Session


def touched_images(session: Session) -> list[str]:
    """The names, sorted, of the models whose images changed since SINCE.

    Raises:
        TrainyardError: git does not say.
    """
    repository = session.repository
    base = base_commit(repository.root, session.settings.since)
    return sorted(affected_by(session, repository.changed_paths(base)).models)


def touched_models(session: Session, base: str) -> list[str]:
    """The names, sorted, of the models that are there and differ from the commit ``base``.

    Raises:
        TrainyardError: git does not say.
    """
    changed = session.repository.changed_paths(base)
    models = [f"{path.parent.name}/{path.name}" for path in session.repository.every_model_path()]
    # In no image, so that these two build nothing.
    values = {f"projects/{name}/{file}": name for name in models for file in (CONFIG, TUNED)}
    return sorted({*affected_by(session, changed).models, *(values[path] for path in changed if path in values)})
