"""make adopt: serve a fitted model that was never trained here."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.operations.session import Session
from trainyard.host.scaffold.adopting import adopted_models
from trainyard.host.scaffold.alone import alone
from trainyard.host.verbs.written_models import lock_new, provide_reader, show_written
from trainyard.settings.scaffold import ScaffoldSettings


def adopt(session: Session, _: Path) -> None:
    """Raises:
    TrainyardError: it is no model that can be served, the dataset is not what it takes, something is in the way."""
    given = ScaffoldSettings.read(session.repository.overrides)
    with alone(session):
        if (table := Path(given.dataset)).is_file():
            provide_reader(session, table)
        found = adopted_models.adoption(session, given)
        columns = ", ".join(f"{column['name']} ({column['type']})" for column in found.columns[:8])
        more = f" and {len(found.columns) - 8} more" if len(found.columns) > 8 else ""
        session.reporter.step(f"{session.short(found.source)}: {found.model.library}, columns {columns}{more}")
        added = adopted_models.adopt(session, found)
    for written in added:
        show_written(session, session.repository.root / written)
    if not session.commands.dry_run:
        lock_new(session, found.place.path(session.repository.root))
        session.reporter.step(f"Next: make predict MODEL={found.place}")
