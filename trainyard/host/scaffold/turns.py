"""What changes which models there are is done by one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked


@contextlib.contextmanager
def alone(session: Session) -> Iterator[None]:
    """What is only shown waits for nobody."""
    if session.commands.dry_run:
        yield
        return
    limit = Limit("LOCK_TIMEOUT", session.settings.lock_timeout)
    with locked(session.repository.state / "locks" / "models", "the models", limit, session.reporter):
        yield
