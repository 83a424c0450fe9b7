"""make rename: a model and all that belongs to it gets another name, or goes to another project.

The order: what is written down (``rename_journal``), images, the directory, the texts in it, files in ``models/``,
runs, the registry, the files that list models. Each step may be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from trainyard.contract.files import read_text, write_whole
from trainyard.errors import TrainyardError
from trainyard.host.experiments.experiment_file import FILES as EXPERIMENTS
from trainyard.host.experiments.tracking.mlflow_format import registered_name
from trainyard.host.experiments.training_metrics import FOLDER as METRICS
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.monorepo.model_dir import ModelDir, Value, read_variables
from trainyard.host.operations.dvc_notes import models_in
from trainyard.host.operations.packaging.code_archive import folder_of
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.model_places import Place, called_after, check_free, check_new, model_at
from trainyard.host.scaffold.moving import belongings, project_files, renamed_files
from trainyard.host.scaffold.moving.plans import Plan, Step
from trainyard.host.scaffold.moving.removing import image_steps, remove_ours
from trainyard.host.scaffold.moving.rename_journal import Journal, read_journal
from trainyard.host.scaffold.moving.source_edits import (
    edited_answers,
    edited_environment,
    edited_experiment,
    edited_makefile,
    edited_page,
    edited_python,
    mentions,
)  # fmt: skip
from trainyard.host.scaffold.updating import ANSWERS, is_generated


def rename_plan(session: Session, old: Place, new: Place) -> Plan:
    """All that renaming the model changes; what of it is done already does no harm.

    Raises:
        TrainyardError: it cannot be called so, is in use, or something of the new name is there already.
    """
    root, state = session.repository.root, session.repository.state
    journal = read_journal(state, old)
    if journal and journal.new != str(new):
        raise TrainyardError(f"a rename of {old} to {journal.new} did not end", f"end it: {command(*journal.places)}")
    here = new if journal and not old.path(root).exists() else old
    model = model_at(session.repository, here)
    if journal is None:
        journal = _journal(session, model, old, new)
        _check_free(session, model, journal)
    before = _as_named(model, old, journal, 0)
    belongings.check_unused(session, before, str(old))
    plan = Plan([Step("", "the list of what is to be done", partial(journal.write, state), needed=True)])
    plan.steps += image_steps(session, before)
    registered = registered_name(old.project, journal.model_name[0])
    for path in belongings.state_of(session, before, registered):
        plan.steps.append(Step("state", session.short(path), partial(remove_ours, path)))
    what = f"projects/{old} -> projects/{new}"
    plan.steps.append(Step("directory", what, partial(_move, old.path(root), new.path(root)), needed=True))
    plan.diff = project_files.diff(session, _own_edits(model.path, journal))
    plan.steps.append(
        Step("edit", f"the files of projects/{new}", partial(_edit, new.path(root), journal), needed=True)
    )
    plan.steps += renamed_files.steps(session, journal)
    plan.steps += _metrics(session, journal)
    plan.steps += _registry(session, journal, plan)
    plan.steps += _lists(session, journal, model, plan)
    plan.steps.append(Step("", "the list of what is to be done", partial(journal.remove, state)))
    plan.notes += _notes(session, journal, model)
    return plan


def command(old: Place, new: Place) -> str:
    return f"make rename MODEL={old} TO={new}"


def _journal(session: Session, model: ModelDir, old: Place, new: Place) -> Journal:
    names, container = model.model_name, model.container_name
    image = called_after(container, old, new).lower()  # as images have to be called
    return Journal(
        str(old), str(new), (names, called_after(names, old, new)), (container, image),
        tuple(belongings.files_in_models(session, model)),
    )  # fmt: skip


def _check_free(session: Session, model: ModelDir, journal: Journal) -> None:
    old, new = journal.places
    target = new.path(session.repository.root)
    if old == new:
        raise TrainyardError(f"TO={new}: that is its name already", "give another")
    check_new(new, session.repository, "TO")
    if target.parent.is_symlink():
        raise TrainyardError(f"{target.parent}: a link", "name the folder that it leads to")
    check_free(_as_named(model, new, journal, 1), session.repository, f"TO={new}", but=model.path)
    for name in renamed_files.in_the_way(session, journal):
        raise TrainyardError(f"TO={new}: {name} is there already", "move it away, or give another name")


def _as_named(model: ModelDir, place: Place, journal: Journal, which: int) -> ModelDir:
    """The model as it was before (0) or is going to be (1)."""
    values = {"MODEL_NAME": journal.model_name[which], "CONTAINER_NAME": journal.container_name[which]}
    given = {
        name: Value(text, model.variables[name].source) for name, text in values.items() if name in model.variables
    }
    return replace(model, path=place.path(model.root), variables={**model.variables, **given})


def _move(old: Path, new: Path) -> None:
    if old.exists():
        new.parent.mkdir(exist_ok=True)
        old.rename(new)


def _own_edits(folder: Path, journal: Journal) -> project_files.Edits:
    """The new texts of those files of the model that name it."""
    values = {"MODEL_NAME": journal.model_name, "CONTAINER_NAME": journal.container_name}
    found = {folder / "Makefile": partial(edited_makefile, values=values)}
    found[folder / ".s2i" / "environment"] = partial(edited_environment, names=journal.names)
    found |= {folder / name: partial(edited_experiment, names=journal.names) for name in EXPERIMENTS}
    if is_generated(folder):
        old, new = journal.places
        answers = {"project": (old.project, new.project), "name": (old.model, new.model)}
        answers |= {"model_name": journal.model_name, "container": journal.container_name}
        found[folder / ANSWERS] = partial(edited_answers, values=answers)
    found |= {path: partial(edited_page, names=journal.names) for path in sorted(folder.glob("*.md"))}
    found |= {path: partial(edited_python, names=journal.names) for path in sorted(folder.rglob("*.py"))}
    return _edited(found)


def _edited(found: Mapping[Path, Callable[[str], str]]) -> project_files.Edits:
    edits = {}
    for path, edited in found.items():
        if path.is_file() and not path.is_symlink():
            try:
                text = read_text(path)
            except TrainyardError:  # not UTF-8: what it names is said below
                continue
            if (new := edited(text)) != text:
                edits[path] = new
    return edits


def _edit(folder: Path, journal: Journal) -> None:
    for path, text in _own_edits(folder, journal).items():
        mode = path.stat().st_mode
        write_whole(path, text)
        path.chmod(mode)


def _metrics(session: Session, journal: Journal) -> Iterator[Step]:
    (old, new), (name, to) = journal.places, journal.model_name
    before, after = (place.path(session.repository.root).parent for place in (old, new))
    for suffix in (".json", ".csv"):
        path, target = before / METRICS / f"{name}{suffix}", after / METRICS / f"{to}{suffix}"
        if path.is_file() and path != target:
            yield Step("metrics", f"{session.short(path)} -> {session.short(target)}", partial(_move, path, target))
    if (before, name) != (after, to) and (before / "training_metrics.json").is_file():
        do = partial(project_files.rename_in_summary, session, before, name, after, to)
        yield Step("metrics", f"{name} in {session.short(before)}/training_metrics.json -> {to}", do)


def _registry(session: Session, journal: Journal, plan: Plan) -> Iterator[Step]:
    old, new = (
        registered_name(place.project, name) for place, name in zip(journal.places, journal.model_name, strict=True)
    )
    if old == new:
        return
    try:
        registry = belongings.registry_of(session)
        versions = registry.versions_of(old) if registry else []
    except TrainyardError as error:
        plan.troubles.append(f"the registered model {old} does not become {new}: {error}")
        return
    if registry and versions:
        what = f"{old} -> {new}, {len(versions)} version(s)"
        yield Step("registered model", what, partial(registry.rename, old, new))


def _lists(session: Session, journal: Journal, model: ModelDir, plan: Plan) -> Iterator[Step]:
    old, new = journal.places
    last = not [path for path in session.repository.model_paths(old.path(model.root).parent) if path != model.path]
    around = {model.root, *(place.path(model.root).parent for place in (old, new))}
    files = [folder / name for folder in sorted(around) for name in EXPERIMENTS]
    edits = _edited({path: partial(edited_experiment, names=journal.names) for path in files})
    edits |= project_files.renamed_member(session, old, new, plan, last=last)
    plan.diff += project_files.diff(session, edits)
    for path, text in edits.items():
        yield Step("edit", session.short(path), partial(project_files.write, path, text))
    projects = {place.path(model.root).parent for place in (old, new)}
    if any((project / "dvc.yaml").is_file() for project in projects):
        yield Step("edit", "the stages of dvc.yaml", partial(_write_pipelines, session, projects))


def _write_pipelines(session: Session, projects: set[Path]) -> None:
    plan = Plan()
    models = {project: models_in(session.repository, project) for project in sorted(projects)}
    for path, text in project_files.pipelines(session, plan, models).items():
        project_files.write(path, text)
    for note in plan.notes:
        session.reporter.warn(note)


def _notes(session: Session, journal: Journal, model: ModelDir) -> Iterator[str]:
    (old, new), root = journal.places, session.repository.root
    own = _own_edits(model.path, journal)
    for variable, (before, after) in (("MODEL_NAME", journal.model_name), ("CONTAINER_NAME", journal.container_name)):
        if before == after:
            yield f"{variable} stays {before}"
    if routes := model.environment.get("ROUTES"):
        yield f"routes stay, as clients call them: {', '.join(part.partition(':')[0] for part in routes.split(','))}"
    if old.project != new.project and (data := read_variables(model.path / "Makefile").get("DATASET_NAME")):
        if not parse_ref(data.text).store and not (root / "projects" / new.project / data.text).exists():
            yield f"put the data there: projects/{old.project}/{data.text} -> projects/{new.project}/{data.text}"
        if (root / "projects" / old.project / "common_utils").is_dir():
            yield f"projects/{old.project}/common_utils stays: what the model imports of it is not in {new.project}"
    if (packages := folder_of(session, model)).is_dir():
        yield f"its packages stay in {session.short(packages)}: make package makes one of the new name"
    yield from (f"names it still: {line}" for line in mentions(root, journal.names, tuple(own)))
    yield from (
        f"{image} holds the old one until it is built again" for image in belongings.merged_images(session, model)
    )
