"""make ci-build, ci-report, ci-train: what a CI server calls. make ci-files: the files by which it does."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.building import build_touched
from trainyard.host.ci.report import Report, make_report
from trainyard.host.ci.train import follow, train_asked
from trainyard.host.ci.workflow_files import workflow_files
from trainyard.host.monorepo.revision import git
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.settings.ci import CiSettings
from trainyard.settings.scaffold import ScaffoldSettings


def ci_build(session: Session, _: Path) -> None:
    """Build the images of the models that changed since SINCE.

    Raises:
        TrainyardError: one was not built.
    """
    found = []
    for one in build_touched(session):
        found.append(one)
        if not one.error:
            console.result(one.name)
    if failed := [one for one in found if one.error]:
        raise TrainyardError(f"{len(failed)} of {len(found)} images were not built: see above", "", EXIT_FAILED)
    if not found:
        session.reporter.step("The change touches no image: nothing is built")


def ci_files(session: Session, _: Path) -> None:
    """Write the workflow files of CI; one that is there and says something else stays, unless FORCE=1 is given.

    Raises:
        TrainyardError: CI is no kind; a file is there.
    """
    top = Path(git(session.repository.root, "rev-parse", "--show-toplevel").strip())
    if top != session.repository.root:
        raise TrainyardError(
            f"{session.repository.root} is not the top of its git repository {top}",
            "workflow files lie there: copy those of another monorepo, and add -C <folder> to make",
        )
    for place, text in workflow_files(CiSettings.read().kind).items():
        path = session.repository.root / place
        there = path.read_text(errors="replace") if path.is_file() else ""
        if there == text:
            session.reporter.step(f"{place} is up to date")
        elif there and not session.settings.force:
            raise TrainyardError(f"{place} is there, and says something else", "FORCE=1 overwrites it")
        elif session.commands.dry_run:
            session.reporter.would(f"write {place}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
            session.reporter.step(f"Wrote {place}")


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
