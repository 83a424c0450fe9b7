"""What is removed, and its size in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.machine import lock_folders
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked


@contextlib.contextmanager
def no_builds(session: Session, *, of_others: bool = False) -> Iterator[None]:
    """What a build has just installed is not used by its image yet: no build of this monorepo is under way meanwhile.
    ``of_others``: none of another clone installs anything either; what it has installed is left to PRUNE_AGE.

    Raises:
        TrainyardError: one is.
    """
    own, shared = lock_folders(session.repository)
    folders = {own, shared} if of_others else {own}
    with contextlib.ExitStack() as stack:
        for path in sorted(path for folder in folders for path in folder.glob("*.lock")):
            try:
                stack.enter_context(locked(path, "a build", Limit("", 0), session.reporter))
            except TrainyardError:
                what = f"a build of this monorepo{', or of another clone,' if of_others else ''} is under way"
                raise TrainyardError(what, "try again when it is through", EXIT_FAILED) from None
        yield


def shown(size: int) -> str:
    """Bytes, as people read them."""
    return f"{size / 1e6:.0f} MB"
