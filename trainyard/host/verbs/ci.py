"""What a CI server calls: make ci-build, ci-test, ci-report, ci-train, ci-promote. make ci-files: how it does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.building import build_touched
from trainyard.host.ci.one_by_one import Done
from trainyard.host.ci.promoting import promote_trained
from trainyard.host.ci.report import Report, make_report
from trainyard.host.ci.testing import try_touched
from trainyard.host.ci.train import follow, train_asked
from trainyard.host.ci.workflow_files import KINDS, given_kinds, kinds_of, write_workflows
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.verbs import asking
from trainyard.settings.ci import CiSettings
from trainyard.settings.scaffold import ScaffoldSettings


def ci_build(session: Session, _: Path) -> None:
    """Build the images of the models that changed since SINCE.

    Raises:
        TrainyardError: one was not built.
    """
    _show_each(session, build_touched(session), "The change touches no image: nothing is built")


def ci_test(session: Session, _: Path) -> None:
    """Serve the models that changed since SINCE, and post their samples.

    Raises:
        TrainyardError: one does not serve, or an answer is not a good one.
    """
    tried = try_touched(session, CiSettings.read().ci_timeout)
    _show_each(session, tried, "The change touches no image: nothing is tested")


def ci_promote(session: Session, _: Path) -> None:
    """Let what was trained for this branch compete with the champions.

    Raises:
        TrainyardError: a model could not compete.
    """
    _show_each(session, promote_trained(session), "Nothing was trained that has not competed yet")


def _show_each(session: Session, each: Iterable[Done], none: str) -> None:
    """As it comes; ``none`` is said where there is none.

    Raises:
        TrainyardError: some have failed.
    """
    found = []
    for one in each:
        found.append(one)
        if one.shown:
            console.result(one.shown)
    if failed := [one.name for one in found if one.error]:
        raise TrainyardError(f"{', '.join(failed)} failed: see above", "", EXIT_FAILED)
    if not found:
        session.reporter.step(none)


def ci_files(session: Session, _: Path) -> None:
    """Write the workflow files of the kinds that CI names.

    Raises:
        TrainyardError: CI names none, or one that is not known; a file is there.
    """
    missing = TrainyardError("which CI? CI is missing", "say CI=github,gitlab, or one of them")
    kinds = asking.given(
        "CI", given_kinds(CiSettings.read().kind), f"For which CI ({KINDS})", "", kinds_of, missing=missing
    )
    if not kinds:
        session.reporter.step("No CI is named: no file is written")
    force, dry_run = session.settings.force, session.commands.dry_run
    write_workflows(session.repository.root, kinds, session.reporter, force=force, dry_run=dry_run)


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
    settings, target = CiSettings.read(), _target(session)
    if settings.report and not session.commands.dry_run:
        target.unlink(missing_ok=True)  # that of an earlier job is not to be taken for ours
    outcome = train_asked(session, settings)
    if session.commands.dry_run or not (outcome.models or outcome.failures):
        return
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
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, report.text)
        session.reporter.step(f"Wrote {session.short(target)}")
