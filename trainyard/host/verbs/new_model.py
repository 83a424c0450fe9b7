"""make new-project and make new-model: folders that work as they are written. What is not given is asked for."""

from __future__ import annotations

from pathlib import Path

import click

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.alone import alone
from trainyard.host.scaffold.dataset_place import find_dataset, project_around
from trainyard.host.scaffold.model_names import check_model, check_project, name_from
from trainyard.host.scaffold.net_packages import check_tensorflow, index_of_torch
from trainyard.host.scaffold.new_model import (
    FAMILIES,
    FRAMEWORKS,
    KERAS,
    PYTORCH,
    SCIKIT_LEARN,
    SERIALIZATIONS,
    NewModel,
    check_framework,
    check_serialization,
    check_use,
    write_model,
)
from trainyard.host.scaffold.new_project import write_project
from trainyard.host.scaffold.tables.reading import read_profile
from trainyard.host.scaffold.tables.table_profile import TableProfile
from trainyard.host.scaffold.tables.target import TASKS, guess_target, task_of
from trainyard.host.support.tables import table
from trainyard.host.verbs.asking import asks, given
from trainyard.host.verbs.written_models import lock_new, provide_reader, show_written
from trainyard.settings.scaffold import ScaffoldSettings

SHOWN = 40  # columns of a table; the README of the model has all


def new_project(session: Session, _: Path) -> None:
    """Make the folder of a project, for models to come.

    Raises:
        TrainyardError: no name, one that a project cannot have, or there is such a project.
    """
    settings = _settings(session)
    name = given(
        "PROJECT",
        settings.project,
        "Name of the project",
        "",
        lambda text: check_project(text, session.repository).name,
    )
    path = check_project(name, session.repository)
    for written in write_project(path, session.repository.root, dry_run=session.commands.dry_run):
        show_written(session, session.repository.root / written)
    session.reporter.step(f"Next: put a table into {session.short(path / 'data')}, and make new-model PROJECT={name}")


def new_model(session: Session, _: Path) -> None:
    """Show what a model would do with a table, and write the model.

    Raises:
        TrainyardError: something is not given, and nobody is there to be asked; or the model cannot be made.
    """
    settings = _settings(session)
    root = session.repository.root
    dataset = given(
        "DATASET",
        settings.dataset,
        "The table",
        _only_table(session),
        lambda text: find_dataset(text, root, settings.project),
    )
    provide_reader(session, dataset)
    with session.reporter.waiting(f"Reading {dataset} ..."):
        profile = read_profile(dataset, separator=settings.separator, encoding=settings.encoding).keeping(settings.keep)
    project = _project(session, settings, dataset)
    target = given(
        "TARGET", settings.target, "Column to predict", guess_target(profile), lambda name: profile.column(name).name
    )
    task = _task(profile, target, settings.task)
    framework, family = _framework(settings)
    serialization, torch_index = _serialization(settings, framework), _torch_index(session, framework)
    name = given("NAME", settings.name, "Name of the model", family, lambda text: check_model(text, project).name)
    path, read = check_model(name, project), (settings.separator, settings.encoding)
    model = NewModel(path, dataset, profile, target, task, framework, family, *read, serialization, torch_index)
    _show(model)
    check_use(model, session.repository)
    if asks() and not session.commands.dry_run and not click.confirm(f"Write {model.place}?", default=True, err=True):
        raise TrainyardError("nothing is written", "call it again")
    with alone(session):
        check_model(name, project)  # another may have made one meanwhile
        check_use(model, session.repository)
        added = write_model(model, session.repository, dry_run=session.commands.dry_run)
    for written in added:
        show_written(session, session.repository.root / written)
    if not session.commands.dry_run:
        lock_new(session, model.path)
        session.reporter.step(f"Next: make train MODEL={model.place}, then make predict MODEL={model.place}")


def _settings(session: Session) -> ScaffoldSettings:
    return ScaffoldSettings.read(session.repository.overrides)


def _only_table(session: Session) -> str:
    """The table of the one project that has a table and no model yet."""
    found = [
        path
        for project in (session.repository.root / "projects").glob("*")
        if not session.repository.model_paths(project)
        for path in (project / "data").glob("*")
        if path.is_file() and not path.name.startswith(".")
    ]
    return session.short(found[0]) if len(found) == 1 else ""


def _project(session: Session, settings: ScaffoldSettings, dataset: Path) -> Path:
    default = project_around(dataset, session.repository.root) or name_from(dataset.name.split(".")[0])
    return given("PROJECT", settings.project, "Project", default, lambda name: check_project(name, session.repository))


def _task(profile: TableProfile, target: str, wanted: str) -> str:
    guessed = task_of(profile, target, wanted)
    if wanted or not asks():
        return guessed
    return given("TASK", "", f"Task ({' or '.join(TASKS)})", guessed, lambda text: task_of(profile, target, text))


def _framework(settings: ScaffoldSettings) -> tuple[str, str]:
    question = f"Framework ({', '.join(FRAMEWORKS)})"
    family = settings.family
    framework = given(
        "FRAMEWORK", settings.framework, question, SCIKIT_LEARN, lambda text: check_framework(text, family)[0]
    )
    if framework == SCIKIT_LEARN and not family:
        question = f"Family ({', '.join(FAMILIES)})"
        family = given("FAMILY", "", question, FAMILIES[0], lambda text: check_framework(framework, text)[1])
    return check_framework(framework, family)


def _serialization(settings: ScaffoldSettings, framework: str) -> str:
    def check(text: str) -> str:
        return check_serialization(framework, text)

    default = check("")
    if not default:
        return check(settings.serialization)
    question = f"Serialization ({', '.join(SERIALIZATIONS[framework])})"
    return given("SERIALIZATION", settings.serialization, question, default, check)


def _torch_index(session: Session, framework: str) -> str:
    """Of PyTorch; whether Keras can be had is looked at, too."""
    if framework == KERAS:
        check_tensorflow(session.resolver.compiler)
    return index_of_torch(session.resolver.compiler, session.reporter) if framework == PYTORCH else ""


def _show(model: NewModel) -> None:
    profile = model.profile
    classes = f" of {len(profile.present(model.target))} classes" if model.task == TASKS[0] else ""
    print(f"{model.dataset}: {profile.rows:,} rows; {model.target} is to be predicted ({model.task}{classes})")  # noqa: T201
    unlabelled = profile.rows - profile.present(model.target).total()
    if unlabelled:
        print(f"{unlabelled:,} rows have no {model.target}: they are left out")  # noqa: T201
    if profile.marks:
        print(f"A missing value is written {' or '.join(sorted(profile.marks))}, too")  # noqa: T201
    for doubt in profile.doubts:
        print(doubt)  # noqa: T201
    rows = [(use.name or "(no name)", use.what, use.does) for use in model.uses]
    for line in table([("COLUMN", "WHAT IT IS", "WHAT THE MODEL DOES WITH IT"), *rows[:SHOWN]]):
        print(line)  # noqa: T201
    if rows[SHOWN:]:
        print(f"... and {len(rows) - SHOWN} more, which the README of the model has")  # noqa: T201
