"""make promote, make rollback: which version of a model is the champion."""

from __future__ import annotations

from trainyard.contract.champion_rule import CHAMPION
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations import promotion
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def promote(session: Session, model: ModelDir) -> None:
    """Make a version the champion, if it is better: VERSION, or the model of the run ID, or of the latest run."""
    if session.commands.dry_run:
        console.result(promotion.expected(session, model))
    else:
        promotion.promote(session, model)


def rollback(session: Session, model: ModelDir) -> None:
    """Make the champion before the present one the champion again."""
    new, old = promotion.rollback(session, model)
    if session.commands.dry_run:
        console.result(f"make version {new.number} of {new.name} the {CHAMPION} again, in place of {old.number}")
