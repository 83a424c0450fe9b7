"""make affected SINCE=<git ref>: which models a change touches, as JSON that a CI matrix can read.

Asked of git, not of an engine: a CI server asks before it has any image.
"""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.operations.affected_models import affected_by
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def print_affected(session: Session, _: Path) -> None:
    """Print what changed since SINCE, in commits, in the work tree, and in files that git does not know yet.

    Raises:
        TrainyardError: no SINCE, no git work tree, or a name that git does not know.
    """
    since = session.settings.since
    if not since:
        raise TrainyardError("since when? SINCE is missing", "say make affected SINCE=origin/main, or another git ref")
    changed = session.repository.changed_paths(since)
    console.result(affected_by(session, changed).as_json(since))
