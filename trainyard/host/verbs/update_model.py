"""make update-model and make update-models: files that make new-model wrote, brought to this version's templates."""

from __future__ import annotations

from pathlib import Path

import trainyard
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.updating import is_generated, update_model
from trainyard.host.support import console


def update_one(session: Session, model: ModelDir) -> None:
    """Merge what the templates say now into a model's files.

    Raises:
        TrainyardError: it was not written from a template, or its files have changes that are not committed; or there
            are conflicts, which are in the files.
    """
    if conflicts := _update(session, model.path):
        raise TrainyardError(f"{conflicts} file(s) of {model.name} have conflicts", "edit them, as after git merge")


def update_all(session: Session, _: Path) -> None:
    """The same for every model that was written from a template. One that fails does not stop the others.

    Raises:
        TrainyardError: models were not updated, or have conflicts; each one's own error is printed before.
    """
    paths = [path for path in session.repository.every_model_path() if is_generated(path)]
    failed = []
    for path in paths:
        name = f"{path.parent.name}/{path.name}"
        try:
            if _update(session, path):
                failed.append(name)
        except (TrainyardError, OSError) as error:
            console.error(str(error))
            failed.append(name)
    if failed:
        raise TrainyardError(
            f"{len(failed)} of {len(paths)} models need you: {', '.join(failed)}", "see above", EXIT_FAILED
        )
    session.reporter.step(f"{len(paths)} model(s) have the files of version {trainyard.__version__}")


def _update(session: Session, path: Path) -> int:
    """The number of files with conflicts."""
    dry_run, name = session.commands.dry_run, f"{path.parent.name}/{path.name}"
    found = update_model(path, dry_run=dry_run)
    if not (found.written or found.removed):
        session.reporter.step(f"{name} has the files of version {found.before} already")
        return 0
    for written in found.written:
        remark = ", with a conflict" if written in found.conflicts else ""
        console.result(f"{'would merge' if dry_run else 'merged'} {session.short(path / written)}{remark}")
    for kept in found.kept:
        session.reporter.warn(f"{session.short(path / kept)}: not a text any more, so yours stays as it is")
    for removed in found.removed:
        console.result(f"{'would remove' if dry_run else 'removed'} {session.short(path / removed)}")
    session.reporter.step(
        f"{name}: from version {found.before} to {trainyard.__version__}: look at git diff, then commit"
    )
    return len(found.conflicts)
