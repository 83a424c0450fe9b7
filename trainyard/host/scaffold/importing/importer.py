"""The use case: fetch, read, stage, check, report, move in place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.repository import Repository
from trainyard.host.operations.problems import Problem, problems_of
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.importing.difference import difference
from trainyard.host.scaffold.importing.fetching import fetched
from trainyard.host.scaffold.importing.kinds import kind_of
from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.report import FILE, report_of
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.staging import move_in_place, stage_beside, write_units
from trainyard.host.scaffold.importing.unit import Unit
from trainyard.host.scaffold.model_names import check_project


@dataclass(frozen=True)
class Imported:
    """What came, or would come: the diff, and of each unit what make check says and where the report is."""

    difference: list[str]
    units: list[Unit]
    problems: list[Problem]

    @property
    def failed(self) -> list[str]:
        return [one for unit in self.units for one in unit.failed]


def import_from(session: Session, source: str, project: str) -> Imported:
    """Bring what ``source`` names below ``projects/``; in a dry run only say what would come.

    Args:
        source: a folder, or a URL of git.
        project: the name of the project; empty: as it is called there.

    Raises:
        TrainyardError: no such source, a name that cannot be a project's, nothing there that can be imported.
    """
    root, dry_run = session.repository.root, session.commands.dry_run
    if project:
        check_project(project, session.repository)
    with fetched(source, root, session.reporter) as tree:
        units = kind_of(tree).bring(tree, Names(session.repository, project))
        for left in reversed(tree.left):
            units[0].left.insert(0, left)
        _refuse_nothing(units, tree)
        with stage_beside(root, dry_run=dry_run) as stage:
            write_units(stage, tree, units, root)
            problems = _check(session, stage, units)
            for unit in units:
                (stage / unit.folder / FILE).write_text(report_of(unit, tree.label, problems))
            lines = list(difference(tree, units))
            if not dry_run:
                move_in_place(stage, root)
    return Imported(lines, units, problems)


def report_path(unit: Unit) -> PurePosixPath:
    return unit.folder / FILE


def _refuse_nothing(units: list[Unit], tree: SourceTree) -> None:
    if not any(unit.models for unit in units):
        reasons = "; ".join(one for unit in units for one in unit.failed) or "no model"
        raise TrainyardError(f"FROM={tree.label}: nothing of it can be brought: {reasons}")


def _check(session: Session, stage: Path, units: list[Unit]) -> list[Problem]:
    """What make check will say of the models, but for locks, which nobody has yet; paths as they will be."""
    staged = dataclasses.replace(session, repository=Repository(stage, {}))
    found = problems_of(staged, [stage / path for unit in units for path in unit.models])
    return [_in_place(one, stage) for one in found if one.rule != "locks"]


def _in_place(problem: Problem, stage: Path) -> Problem:
    path = problem.path.relative_to(stage) if problem.path.is_relative_to(stage) else problem.path
    what = problem.what.replace(f"{stage}/", "")
    return dataclasses.replace(problem, path=path, what=what)
