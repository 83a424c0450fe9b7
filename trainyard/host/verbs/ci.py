"""make ci-report, make ci-train: what a CI server calls; the report is Markdown for a comment in a pull request."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.report import Report, make_report
from trainyard.host.ci.train import follow, train_asked
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
    report = make_report(session, ScaffoldSettings.read().model.split() or None, target.parent)
    _write(session, target, report)
    if report.failed:
        many = f"{len(report.failed)} models" if len(report.failed) > 1 else report.failed[0]
        raise TrainyardError(f"{many} failed: the report says why", "", EXIT_FAILED)


def ci_train(session: Session, _: Path) -> None:
    """Train what the last commit asks for, push the results, write the report on it.

    Raises:
        TrainyardError: a training failed, or the results could not be pushed.
    """
    settings = CiSettings.read()
    outcome = train_asked(session, settings)
    if session.commands.dry_run or not (outcome.models or outcome.failures):
        return
    target = _target(session)
    _write(session, target, make_report(session, outcome.models, target.parent, outcome.failures))
    follow(session, outcome)
    if outcome.error:
        raise outcome.error
    if outcome.failures:
        names = ", ".join(sorted(outcome.failures))
        raise TrainyardError(f"{names} failed: the report says why", "", EXIT_FAILED)


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
