"""What the verbs that write model directories do alike: show what is written, provide what reads tables, lock."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.environment import provide
from trainyard.host.monorepo.model_dir import read_model_dir
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.tables.reading import is_columnar
from trainyard.host.support import console


def provide_reader(session: Session, dataset: Path) -> None:
    """Install what a table in columns is read by, where it is not there."""
    if is_columnar(dataset) and find_spec("pyarrow") is None:
        provide(session.repository.root, "experiments")  # which needs it, too
        importlib.invalidate_caches()


def show_written(session: Session, path: Path) -> None:
    """One line of the answer for a file."""
    console.result(f"{'would write' if session.commands.dry_run else 'wrote'} {session.short(path)}")


def lock_new(session: Session, path: Path) -> None:
    """A model without locks can be built: what cannot be asked of the index now is for later."""
    try:
        for written in session.resolver.write_locks(read_model_dir(path, session.repository.root)):
            show_written(session, written)
    except TrainyardError as error:
        session.reporter.warn(
            f"no locks are written: {error}; make lock MODEL={path.parent.name}/{path.name} tries again"
        )
