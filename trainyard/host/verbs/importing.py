"""make import: what was written for other layouts and tools, brought below projects/."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.importing.importer import import_from, report_path
from trainyard.host.scaffold.importing.report import summary
from trainyard.host.support import console
from trainyard.settings.scaffold import ScaffoldSettings


def import_into(session: Session, _: Path) -> None:
    """Prints the diff, and what there is to do.

    Raises:
        TrainyardError: nothing could be brought, or a model could not be; the others are there.
    """
    settings = ScaffoldSettings.read(session.repository.overrides)
    found = import_from(session, settings.source, settings.project)
    for line in found.difference:
        console.result(line)
    for unit in found.units:
        first, *rest = summary(unit, found.problems, report_path(unit))
        session.reporter.step(f"Would bring {first}" if session.commands.dry_run else f"Brought {first}")
        for line in rest:
            session.reporter.step(f"  {line}")
    if found.failed:
        raise TrainyardError(
            f"{len(found.failed)} model(s) could not be brought: {found.failed[0]}", exit_code=EXIT_FAILED
        )
