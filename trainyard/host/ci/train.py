"""make ci-train: what the last commit asks for is trained, pushed, and reported. Begun again, it repeats nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from trainyard.contract.routes import came_trained
from trainyard.errors import TrainyardError
from trainyard.host.ci.base_commit import base_commit
from trainyard.host.ci.branch import Branch, Results, branch_of
from trainyard.host.ci.commit_mark import MARKS, Asked, asked_by
from trainyard.host.ci.dvc_calls import Dvc, find_dvc
from trainyard.host.ci.git_calls import call_git
from trainyard.host.ci.one_by_one import apart
from trainyard.host.ci.publishing import publish
from trainyard.host.ci.small_files import SmallFile, small_files
from trainyard.host.ci.touched import touched_models
from trainyard.host.ci.trainings import train_for
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import git
from trainyard.host.operations.session import Session
from trainyard.settings.ci import CiSettings


@dataclass
class Outcome:
    """``models`` are those that were asked for, by name, ``failures`` why some have no results, ``error`` why those of
    the others are not on the branch, ``commit`` the one that brought them there."""

    models: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    error: TrainyardError | None = None
    commit: str = ""  # with the results

    def fail(self, name: str, why: str) -> None:
        """A model has no results."""
        self.failures[name] = why


def train_asked(session: Session, settings: CiSettings) -> Outcome:
    """Do what the message of the last commit asks for; nothing where that has no mark.

    Raises:
        TrainyardError: git does not say what is asked for, or there is nowhere to push to; nothing was trained.
    """
    root = session.repository.root
    message = git(root, "log", "-1", "--format=%B")
    if not (asked := asked_by(message)):
        session.reporter.step(f"Nothing is to be trained: the last commit's message does not begin with {MARKS}")
        return Outcome()
    outcome = _wanted(session, asked)
    if not outcome.models and not outcome.failures:
        session.reporter.step("Nothing is to be trained: the change touches no model")
        return outcome
    if session.commands.dry_run:
        session.reporter.would(f"{'tune' if asked.tunes else 'train'} {', '.join(outcome.models)}")
        return outcome
    branch = branch_of(root, settings.branch, settings.ci_timeout)
    _carry_out(session, asked, branch, outcome)
    return outcome


def _wanted(session: Session, asked: Asked) -> Outcome:
    """The models to train; a name that is no model's is a failure of its own."""
    there = {f"{path.parent.name}/{path.name}": path for path in session.repository.every_model_path()}
    if asked.models:
        failures = {name: "there is no such model" for name in asked.models if name not in there}
        return Outcome(tuple(name for name in asked.models if name in there), failures)
    touched = touched_models(session, base_commit(session.repository.root, session.settings.since))
    return Outcome(tuple(name for name in touched if _trains(session, there[name])))


def _trains(session: Session, path: Path) -> bool:
    """A model that cannot be read is tried, so that the report says what is wrong with it."""
    try:
        return not came_trained(session.repository.model(path).environment)
    except TrainyardError:
        return True


def _carry_out(session: Session, asked: Asked, branch: Branch, outcome: Outcome) -> None:
    tip = branch.tip()
    done = _pushed_before(session, branch, branch.results(tip))
    left = [name for name in outcome.models if name not in done]
    if left and not branch.is_default():  # a champion is of what was merged: make ci-promote
        session = session.but(given=replace(session.experiments, promote=False))
    files: list[SmallFile] = []
    if left:
        dvc = find_dvc(branch.root, branch.seconds, session.reporter)
        for project in dict.fromkeys(name.partition("/")[0] for name in left):
            names = [name for name in left if name.startswith(f"{project}/")]
            files += _of_project(session, project, names, asked, branch, dvc, outcome)
    ready = [name for name in left if name not in outcome.failures]
    if ready:
        try:
            outcome.commit = publish(branch, files, ready, session.reporter)
        except TrainyardError as error:
            outcome.error = error


def _pushed_before(session: Session, branch: Branch, results: Iterable[Results]) -> set[str]:
    """The models whose results for this commit are on the branch; their small files are brought to the work tree."""
    done: set[str] = set()
    for one in results:
        if one.asked_by == branch.asking:
            done.update(one.models)
            changed = git(branch.root, "diff-tree", "-r", "--no-commit-id", "--name-only", "-z", "--relative",
                          f"{one.commit}^", one.commit)  # fmt: skip
            if paths := [path for path in changed.split("\0") if path]:
                call_git(branch.root, "restore", "--worktree", f"--source={one.commit}", "--", *paths)
            session.reporter.step(f"{', '.join(one.models)}: trained and pushed as {one.commit[:12]} before")
    return done


def follow(session: Session, outcome: Outcome) -> None:
    """Where all is well, and the commit with the results is the next one of the branch that is checked out, go there:
    the work tree has its files already."""
    root = session.repository.root
    head = git(root, "rev-parse", "HEAD")
    if not outcome.commit or outcome.failures or git(root, "rev-parse", f"{outcome.commit}^") != head:
        return
    try:
        git(root, "symbolic-ref", "--quiet", "HEAD")
    except TrainyardError:
        return  # no branch is checked out
    changed = git(root, "diff", "--name-only", "-z", "HEAD", outcome.commit)
    call_git(root, "reset", "--quiet", "--soft", outcome.commit)
    if paths := [f":(top){path}" for path in changed.split("\0") if path]:
        call_git(root, "reset", "--quiet", "--", *paths)


def _of_project(
    session: Session,
    project: str,
    names: Sequence[str],
    asked: Asked,
    branch: Branch,
    dvc: Dvc | None,
    outcome: Outcome,
) -> list[SmallFile]:
    """Train models of a project; the files of those that succeed. One that fails keeps nothing from the others."""
    inputs: list[str] = []
    try:
        if dvc:
            inputs = dvc.inputs(project)
            dvc.fetch(inputs)
    except (TrainyardError, OSError) as error:
        outcome.failures.update(dict.fromkeys(names, str(error)))
        session.reporter.warn(f"{', '.join(names)}: {error}")
        return []
    trained = []
    for name in names:
        with apart(session.reporter, name, partial(outcome.fail, name)):
            model = session.repository.model(branch.root / "projects" / name)
            train_for(session, model, branch.asking, tunes=asked.tunes)
            trained.append(model)
    if dvc and trained:  # what git has then never names what is not there
        _store(session, trained, inputs, dvc, outcome)
    files: list[SmallFile] = []
    for model in trained:
        with apart(session.reporter, model.name, partial(outcome.fail, model.name)):
            files += small_files(model)
            files += [SmallFile(model.name, path, (branch.root / path).read_bytes()) for path in inputs]
    return files


def _store(session: Session, models: Sequence[ModelDir], inputs: Sequence[str], dvc: Dvc, outcome: Outcome) -> None:
    """Push what is large: all at once, and where that fails one by one, which says whose it is."""
    if bare := [model.name for model in models if not dvc.stage_of(model)]:
        names = ", ".join(bare)
        session.reporter.step(f"{names}: without dvc.yaml (make dvc) in the project models/ stays on this machine")
    if len(models) > 1:
        try:
            dvc.push(models, inputs)
        except TrainyardError as error:
            session.reporter.warn(f"{error}; again, one model at a time")
        else:
            return
    for model in models:
        with apart(session.reporter, model.name, partial(outcome.fail, model.name)):
            dvc.push([model], inputs)
