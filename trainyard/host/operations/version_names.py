"""What the verbs about registered versions have in common."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.experiments.tracking.mlflow_format import registered_name
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.session import Session


def name_of(model: ModelDir, model_name: str = "") -> str:
    """What a model is called in the registry."""
    return registered_name(model.project.name, model_name or model.model_name)


def cache_of(session: Session) -> Path:
    """Where versions are downloaded to."""
    return session.repository.state / "registry"
