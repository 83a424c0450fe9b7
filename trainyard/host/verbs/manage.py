"""make rename and make remove: shown first, then asked, then done."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.alone import alone
from trainyard.host.scaffold.model_places import Place, model_at, place_of
from trainyard.host.scaffold.moving.plans import Plan, carry_out
from trainyard.host.scaffold.moving.removing import removal
from trainyard.host.scaffold.moving.renaming import command, rename_plan
from trainyard.host.support import console
from trainyard.host.support.tables import table
from trainyard.settings.scaffold import ScaffoldSettings


def rename(session: Session, folder: Path) -> None:
    """Raises:
    TrainyardError: it cannot be called so, is in use; a part was not done."""
    given = ScaffoldSettings.read(session.repository.overrides)
    old = _asked(session, folder, given.model, "rename")
    if not given.to:
        raise TrainyardError("TO is missing", f"make rename MODEL={old} TO=<project>/<model>")
    new = place_of(given.to, "TO")
    with alone(session):
        plan = rename_plan(session, old, new)
        _show(plan)
        if session.commands.dry_run:
            return
        if sys.stdin.isatty() and not session.settings.force:
            _ask(f"Rename {old} to {new}?")
        carry_out(plan, session.reporter, command(old, new))
    session.reporter.step(f"Renamed {old} to {new}: git diff shows it, make predict MODEL={new} serves it")


def remove(session: Session, folder: Path) -> None:
    """Raises:
    TrainyardError: there is none, it is in use, nobody confirms; a part was not done."""
    given = ScaffoldSettings.read(session.repository.overrides)
    place = _asked(session, folder, given.model, "remove")
    with alone(session):
        plan = removal(session, model_at(session.repository, place), place)
        _show(plan)
        if session.commands.dry_run:
            return
        again = f"make remove MODEL={place} FORCE=1"
        if not session.settings.force:
            if not sys.stdin.isatty():
                raise TrainyardError("nothing is removed: there is no terminal to ask at", again)
            _ask(f"Remove {place} and all of that?")
        carry_out(plan, session.reporter, again)
    session.reporter.step(f"Removed {place}")


def _asked(session: Session, folder: Path, model: str, verb: str) -> Place:
    """The model of MODEL, else the directory that the program was called for."""
    if model:
        return place_of(model, "MODEL")
    if folder.parent.parent == session.repository.root / "projects":
        return Place(folder.parent.name, folder.name)
    raise TrainyardError("which model?", f"make {verb} MODEL=<project>/<model>; make list shows them")


def _show(plan: Plan) -> None:
    for line in table(plan.rows):
        console.result(line)
    if plan.diff:
        console.result(plan.diff.rstrip("\n"))
    for note in (*plan.notes, *plan.troubles):
        console.result(f"note: {note}")


def _ask(question: str) -> None:
    if not click.confirm(question, err=True):
        raise TrainyardError("nothing was changed", "", EXIT_FAILED)
