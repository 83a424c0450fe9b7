"""The kind: every project of a monorepo, the folder of one project, or of one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.historical.layout import ALL, OldProject, read_layout, wired_folders
from trainyard.host.scaffold.importing.historical.project import NAME, bring_project
from trainyard.host.scaffold.importing.historical.remarks import remarks_on_others
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.makefiles import variables_of
from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.source_tree import TOP, SourceTree
from trainyard.host.scaffold.importing.unit import Planned, Unit
from trainyard.host.scaffold.importing.wiring import all_makefile


def bring(tree: SourceTree, names: Names) -> list[Unit]:
    """Raises:
    TrainyardError: PROJECT names one project, and there are several; none can be brought.
    """
    projects = read_layout(tree)
    if names.chosen and len(projects) > 1:
        found = " ".join(str(project.folder) for project in projects)
        raise TrainyardError(
            f"PROJECT={names.chosen} is one name, and {tree.label} has {len(projects)} projects: {found}",
            "leave PROJECT out, or import one of them: FROM=<folder>/<project>",
        )
    folders = {project.folder for project in projects}
    units = [bring_project(tree, project, names, names.root, folders - {project.folder}) for project in projects]
    by_name = {unit.folder.name: project for unit, project in zip(units, projects, strict=True)}
    for unit in units:
        unit.to_do += [one for one in remarks_on_others(tree, by_name) if one.startswith(_prefix(by_name, unit))]
    _top(tree, projects, names, units)
    return units


def _prefix(by_name: dict[str, OldProject], unit: Unit) -> str:
    return f"{by_name[unit.folder.name].folder}/"


def _top(tree: SourceTree, projects: list[OldProject], names: Names, units: list[Unit]) -> None:
    """What lies beside the projects: an ``all/`` for all of them, licences, and what stays behind."""
    folders = [project.folder for project in projects]
    if TOP in folders:
        return
    taken = {one.source for unit in units for one in unit.files.values()} | {
        left.path for unit in units for left in unit.left
    }
    tops = Counter(project.top for project in projects)
    top = tops.most_common(1)[0][0]
    rest = [path for path in tree.files if not any(path.is_relative_to(folder) for folder in folders)]
    for path in rest:
        if path.parent in (TOP, top) and path.name.upper().startswith(("LICENSE", "LICENCE", "NOTICE")):
            for unit in units:
                unit.files.setdefault(unit.folder / path.name, Planned(path))
            taken.add(path)
    _merged(tree, top, dict(zip(folders, units, strict=True)), names, taken)
    _name_rest((path for path in rest if path not in taken), units[0])


def _merged(
    tree: SourceTree,
    top: PurePosixPath,
    units: dict[PurePosixPath, Unit],
    names: Names,
    taken: set[PurePosixPath | None],
) -> None:
    source, target = top / ALL / "Makefile", PurePosixPath(ALL) / "Makefile"
    if not tree.has(source):
        return
    first = next(iter(units.values()))
    taken |= set(tree.below(top / ALL))
    if (names.root / ALL).exists():
        first.drop(source, "an all/ is there already: it merges every project, unless its MODEL_DIRS says which")
        return
    given = variables_of(tree.text(source))
    wanted = given["MODEL_DIRS"].text.split() if "MODEL_DIRS" in given and not given["MODEL_DIRS"].computed else []
    members = [unit.folder.name for folder, unit in units.items() if folder.name in wanted and folder.parent == top]
    image = given["CONTAINER_NAME"].text if "CONTAINER_NAME" in given and not given["CONTAINER_NAME"].computed else ""
    text = all_makefile(names.image(image, ALL, "models", first.decided), members, "../mk")
    first.write(target, text, "what is merged, in place of its recipes", source)


def _name_rest(rest: Iterable[PurePosixPath], unit: Unit) -> None:
    by_top: dict[str, list[PurePosixPath]] = {}
    for path in sorted(rest):
        by_top.setdefault(path.parts[0], []).append(path)
    for name, paths in by_top.items():
        count = f" ({len(paths)} files)" if len(paths) > 1 else ""
        unit.drop(PurePosixPath(name), f"of no project{count}: bring by hand what you need")


KIND = Kind(NAME, ".s2i/environment with ROUTES in its models", lambda tree: bool(wired_folders(tree)), bring)
