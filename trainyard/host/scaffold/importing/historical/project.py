"""One project of the historical layout, with all that its models share."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.historical.layout import ALL, COMMON, OldProject
from trainyard.host.scaffold.importing.historical.model import NewModel, bring_file
from trainyard.host.scaffold.importing.historical.shared_code import SharedCode, shared_code
from trainyard.host.scaffold.importing.makefiles import copied_by, variables_of
from trainyard.host.scaffold.importing.names import PROJECTS, Names
from trainyard.host.scaffold.importing.source_tree import TOP, SourceTree
from trainyard.host.scaffold.importing.unit import Unit, place
from trainyard.host.scaffold.importing.wiring import MAKEFILES, all_makefile

BUILD = "build.sh"
NAME = "historical layout"
IN_IMAGES = {"utils", COMMON, ".s2i", "models", "data", "requirements.txt", "setup.sh", "all", "build-context"}
KNOWN = ("Makefile", "predict.py", "requirements.txt", "setup.sh", "requirements_local.txt", ".s2i")  # of an all/


def bring_project(tree: SourceTree, project: OldProject, names: Names, root: Path, others: set[PurePosixPath]) -> Unit:
    """``others``: the folders of the source that are projects, too."""
    decided: list[str] = []
    name = names.new_project(names.chosen or project.package, decided)
    if names.chosen and name != names.chosen:
        raise TrainyardError(f"PROJECT={names.chosen}: there is such a project", "choose another name")
    unit = Unit(PROJECTS / name, NAME, decided=decided)
    shared = shared_code(tree, project, name, root, unit, others)
    for target, source in shared.files.items():
        bring_file(tree, source, target, shared.moves, unit)
    folders = _models(tree, project, names, shared, unit)
    _rest(tree, project, shared, unit)
    _merged(tree, project, names, folders, unit)
    _build_script(tree, project, shared, unit)
    return unit


def _models(tree: SourceTree, project: OldProject, names: Names, shared: SharedCode, unit: Unit) -> dict[str, str]:
    """Plan each model; the names of their folders here by those in the source. One that fails stops no other."""
    folders: dict[str, str] = {}
    for old in project.models:
        before = dict(unit.files)
        try:
            folder = unit.folder / names.model_folder(old.name, set(folders.values()), unit.decided)
            NewModel(tree, project, old, folder, dict(shared.moves), names, unit).bring()
        except TrainyardError as error:
            unit.files = before
            unit.failed.append(f"{place(old.folder)}: {error}")
        else:
            folders[old.name] = folder.name
            unit.models.append(folder)
    return folders


def _rest(tree: SourceTree, project: OldProject, shared: SharedCode, unit: Unit) -> None:
    """What lies in the project beside its models: data, binaries, common_utils, notes."""
    if project.models and project.models[0].folder == TOP:
        return
    models = [model.folder for model in project.models]
    placed = set(shared.files.values())
    for path in tree.below(project.folder):
        inside = path.relative_to(project.folder)
        if any(path.is_relative_to(model) for model in models) or inside.parts[0] == ALL or path in placed:
            continue
        if str(inside) == BUILD or (inside.name in MAKEFILES and len(inside.parts) <= 2):
            why = "our make verbs build" if str(inside) == BUILD else "make would take the folder for a model"
            unit.drop(path, why)
        else:
            bring_file(tree, path, unit.folder / inside, shared.moves, unit)
    if pickles := [path for path in tree.below(project.folder / "models") if path.suffix in (".pkl", ".joblib")]:
        unit.to_do.append(
            f"{place(project.folder / 'models')}: {len(pickles)} binaries without records, made by other versions: "
            "make train makes them anew"
        )


def _merged(tree: SourceTree, project: OldProject, names: Names, folders: dict[str, str], unit: Unit) -> None:
    """The ``all/`` of the project: two names; all else in it is generated."""
    source = project.all / "Makefile"
    if not tree.has(source) or (project.folder == TOP and not folders):
        return
    given = variables_of(tree.text(source))
    wanted = given["MODEL_DIRS"].text.split() if "MODEL_DIRS" in given and not given["MODEL_DIRS"].computed else []
    members = [folders[name] for name in wanted if name in folders]
    for name in wanted:
        if name not in folders:
            unit.to_do.append(f"{place(source)}: MODEL_DIRS names {name}, which is not brought")
    chosen = [] if set(members) == set(folders.values()) else members
    image = given["CONTAINER_NAME"].text if "CONTAINER_NAME" in given and not given["CONTAINER_NAME"].computed else ""
    text = all_makefile(names.image(image, unit.folder.name, ALL, unit.decided), chosen, "../../../mk")
    unit.write(unit.folder / ALL / "Makefile", text, "what is merged, in place of its recipes", source)
    for path in tree.below(project.all):
        inside = path.relative_to(project.all)
        if path != source:
            known = inside.parts[0] in KNOWN
            unit.drop(path, "generated by make create-routes" if known else "an all/ holds generated files alone")


def _build_script(tree: SourceTree, project: OldProject, shared: SharedCode, unit: Unit) -> None:
    """A build.sh that puts more into images than ours do."""
    for script in {project.folder / BUILD, project.top / BUILD}:
        if not tree.has(script):
            continue
        brought = {path.name for path in shared.files} | {path.parts[0] for path in shared.files.values()}
        for name in sorted(copied_by(tree.text(script)) - IN_IMAGES - brought):
            for path in {project.folder / name, project.top / name}:
                if tree.has(path) or (tree.is_folder(path) and path not in [one.folder for one in project.models]):
                    unit.to_do.append(
                        f"{place(script)}: puts {place(path)} into images: move it to {unit.folder / COMMON}, "
                        "which ours hold"
                    )
