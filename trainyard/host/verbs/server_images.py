"""make track-image, make retrain-image: our own servers as images."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.operations.server_images import RETRAIN, TRACK, build_server
from trainyard.host.operations.session import Session


def track_image(session: Session, _: Path) -> None:
    """Build trainyard/track."""
    build_server(session, TRACK)


def retrain_image(session: Session, _: Path) -> None:
    """Build trainyard/retrain."""
    build_server(session, RETRAIN)
