"""make build-train, build-predict, build-image: from a model directory to an image."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.monorepo.model_dir import ModelDir, Role
from trainyard.host.operations import build
from trainyard.host.operations.build import build_model
from trainyard.host.operations.session import Session


def build_builders(session: Session, _: Path) -> None:
    """Build the builder images, where they are not of today's sources."""
    session.engine.builder.ensure_builders()


def build_train(session: Session, model: ModelDir) -> None:
    build_model(session, model, "train")


def build_predict(session: Session, model: ModelDir) -> None:
    build_model(session, model, "predict")


def build_named(session: Session, model: ModelDir, role: Role, image: str) -> None:
    """Build one model's image under the name that a build.sh gives it."""
    build_model(session, model, role, image)


def build_all_image(session: Session, folder: Path) -> None:
    build.build_all(session, folder)


def create_routes(session: Session, folder: Path) -> None:
    build.create_routes(session, folder)
