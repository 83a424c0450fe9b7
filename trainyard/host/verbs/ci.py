"""make ci-report: what a change makes of models, as Markdown for a comment in a pull request."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.report import Report, make_report
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.settings.ci import CiSettings
from trainyard.settings.scaffold import ScaffoldSettings


def ci_report(session: Session, _: Path) -> None:
    """Write the report on the models that the change touches, or on MODEL.

    Raises:
        TrainyardError: a model failed, which the report says too; MODEL is none.
    """
    target = _target(session)
    report = make_report(session, ScaffoldSettings.read().model, target.parent)
    _write(session, target, report)
    if report.failed:
        many = f"{len(report.failed)} models" if len(report.failed) > 1 else report.failed[0]
        raise TrainyardError(f"{many} failed: the report says why", "", EXIT_FAILED)


def _target(session: Session) -> Path:
    """The file; for standard output a name at the top, which pictures are seen from."""
    return session.repository.root / (CiSettings.read().report or "-")


def _write(session: Session, target: Path, report: Report) -> None:
    if target.name == "-":
        console.result(report.text.rstrip("\n"))
    elif session.commands.dry_run:
        session.reporter.would(f"write {session.short(target)}")
    else:
        write_whole(target, report.text)
        session.reporter.step(f"Wrote {session.short(target)}")
