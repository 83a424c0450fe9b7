"""make modernize: pins that the images have no wheel of, moved to the nearest version that has one; then the locks."""

from __future__ import annotations

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.build import say_written
from trainyard.host.operations.modernize import Plan, apply, other_readers, plan_moves, removed
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def modernize(session: Session, model: ModelDir) -> None:
    """Show what moves and why, write it with the locks, and name what only a person can change.

    Raises:
        TrainyardError: nothing was changed.
    """
    plan = plan_moves(session, model)
    for move in plan.moves:
        session.reporter.step(_short(session, move.reason))
    for line in plan.diff(session.repository.root):
        console.result(line)
    if not plan.moves:
        session.reporter.step("Every pin has a wheel, or is built from source: none is moved")
    say_written(session, apply(session, model, plan))
    for file, other in other_readers(session, model, plan):
        session.reporter.warn(f"{session.short(file)} is read by {other}, too: make lock MODEL={other}")
    _name_removed(session, model, plan)


def _name_removed(session: Session, model: ModelDir, plan: Plan) -> None:
    try:
        found = removed(session, model, plan)
    except TrainyardError as error:  # what had to be written is
        session.reporter.warn(f"the code is not looked through: {error.message}")
        return
    for one in found:
        console.result(_short(session, str(one)))
    if found:
        session.reporter.step(f"{len(found)} place(s) of the code use what these versions have removed: change them")


def _short(session: Session, text: str) -> str:
    return text.replace(f"{session.repository.root}/", "")
