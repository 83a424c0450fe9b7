"""make lock: from requirements to the lock files beside them."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir, read_model_dir
from trainyard.host.operations.build import say_written
from trainyard.host.operations.session import Session
from trainyard.host.requirements.conflicts import check_requirements
from trainyard.host.support import console


def lock_model(session: Session, model: ModelDir) -> None:
    """Resolve the requirements and write both lock files."""
    check_requirements(model)
    say_written(session, session.resolver.write_locks(model))


def lock_models(session: Session, _: Path) -> None:
    """The same for every model whose locks are missing, stale or damaged. One that fails does not stop the others.

    Raises:
        TrainyardError: models could not be locked; each one's own error is printed before.
    """
    paths = session.repository.every_model_path()
    failed = []
    locked = 0
    for path in paths:
        try:
            model = read_model_dir(path, session.repository.root)
            if not session.resolver.is_locked(model):
                lock_model(session, model)
                locked += 1
        except (TrainyardError, OSError) as error:
            console.error(str(error))
            failed.append(f"{path.parent.name}/{path.name}")
    if failed:
        raise TrainyardError(f"{len(failed)} of {len(paths)} models are not locked: {', '.join(failed)}", "see above")
    session.reporter.step(f"{len(paths)} models are locked, {locked} of them anew")
