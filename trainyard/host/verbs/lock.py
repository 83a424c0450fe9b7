"""make lock: from requirements to the lock files beside them."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.build import say_written
from trainyard.host.operations.lock_all import lock_each
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
    for outcome in lock_each(session, paths):
        if outcome.error:
            console.error(str(outcome.error))
            failed.append(f"{outcome.path.parent.name}/{outcome.path.name}")
        locked += bool(outcome.written)
        say_written(session, [*outcome.written])
    if failed:
        names = ", ".join(sorted(failed))
        raise TrainyardError(f"{len(failed)} of {len(paths)} models are not locked: {names}", "see above")
    would = "would be" if session.commands.dry_run else "are"
    session.reporter.step(f"{len(paths)} models {would} locked, {locked} of them anew")
