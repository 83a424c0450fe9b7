"""make train: a run, which leaves a binary and its record in models/."""

from __future__ import annotations

from trainyard.host.experiments.training import check_payload, show_only
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.dvc_notes import keep_for_dvc, warn_of_old_pipeline
from trainyard.host.operations.own_tracking import with_own_tracking
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import train_as_run, training_of, training_payload


def train(session: Session, model: ModelDir) -> None:
    """Run the train image: a binary and its record in the project's models/, and a run in its runs/."""
    session.repository.check_names(model)
    payload = training_payload(session, model)
    check_payload(model.project, payload)
    training = with_own_tracking(session, training_of(session, model, payload))
    if session.commands.dry_run:
        show_only(training, session.engine.runner)
        return
    train_as_run(session, training)
    keep_for_dvc(model)
    warn_of_old_pipeline(session.repository, model.project)
