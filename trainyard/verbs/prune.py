"""make prune: removes dependencies that no image is built on any more, and what killed builds have left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trainyard import console
from trainyard.command import Limit
from trainyard.engines.machine import lock_folders
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.locking import locked
from trainyard.verbs.session import Session


def prune(session: Session, _: Path) -> None:
    """On the engine of ENGINE, or on every one that answers; says what each had that nothing else has."""
    freed = count = 0
    engines = [session.engine] if session.settings.engine else session.engines()
    with no_builds(session):
        for engine in engines:
            if not session.commands.dry_run:
                engine.remove_leftovers()
            for name, size in engine.unused().items():
                if session.commands.dry_run:
                    console.result(f"remove {name} ({engine.name}, {shown(size)})")
                elif engine.remove_unused(name):
                    console.step(f"Removed {name} ({engine.name}, {shown(size)})")
                else:  # somebody has begun to use it
                    continue
                freed, count = freed + size, count + 1
    done = "To free" if session.commands.dry_run else "Freed"
    console.step(f"{done}: {shown(freed)}, {count} sets of dependencies" if count else "Nothing to remove")


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
                stack.enter_context(locked(path, "a build", Limit("", 0)))
            except TrainyardError:
                what = f"a build of this monorepo{', or of another clone,' if of_others else ''} is under way"
                raise TrainyardError(what, "try again when it is through", EXIT_FAILED) from None
        yield


def shown(size: int) -> str:
    """Bytes, as people read them."""
    return f"{size / 1e6:.0f} MB"
