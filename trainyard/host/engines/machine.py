"""What all clones of a user share on this machine, beside an engine: a folder of locks."""

from __future__ import annotations

import os
from pathlib import Path

from trainyard.host.monorepo.repository import Repository


def machine_folder() -> Path | None:
    """``~/.cache/trainyard``, or below XDG_CACHE_HOME; None for a user without a home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "trainyard"
    except RuntimeError:
        return None


def lock_folders(repository: Repository) -> tuple[Path, Path]:
    """Of locks that are one clone's alone, and of those that are for all clones; the same where a user can keep none
    outside of the clone."""
    own, shared = repository.state / "locks", machine_folder()
    try:
        if shared:
            (shared / "locks").mkdir(parents=True, exist_ok=True)
            return own, shared / "locks"
    except OSError:
        pass
    return own, own
