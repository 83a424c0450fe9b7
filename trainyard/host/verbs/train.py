"""make train: a run, which leaves a binary and its record in models/."""

from __future__ import annotations

from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations import train as operation
from trainyard.host.operations.session import Session


def train(session: Session, model: ModelDir) -> None:
    """Run the train image: a binary and its record in the project's models/, and a run in its runs/."""
    operation.train(session, model)
