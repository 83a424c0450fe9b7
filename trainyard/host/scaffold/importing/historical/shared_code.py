"""Code that several models of a source import: where it goes, and which imports follow.

Images hold the folders ``utils`` and ``common_utils`` of the monorepo's top, and ``common_utils`` of the project.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trainyard.contract.namesakes import SHARED
from trainyard.host.scaffold.importing.historical.layout import ALL, COMMON, OldProject
from trainyard.host.scaffold.importing.python_code import Code
from trainyard.host.scaffold.importing.source_tree import TOP, SourceTree
from trainyard.host.scaffold.importing.unit import Unit

# The server for debugging: ours has the same function, and theirs reads the wiring when it is imported.
LOCAL_SERVER = PurePosixPath("utils/local_server.py")


@dataclass
class SharedCode:
    """``moves`` of modules, by their dotted names; ``files`` of the source by where they go below the monorepo."""

    moves: dict[str, str] = field(default_factory=dict)
    files: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)


def shared_code(
    tree: SourceTree, project: OldProject, name: str, root: Path, unit: Unit, others: set[PurePosixPath]
) -> SharedCode:
    """What the models of a project import from outside of their folders. ``name``: of the project here, ``root``: the
    monorepo, ``others``: the folders of the source that are projects."""
    found, looked = SharedCode(), set[PurePosixPath]()
    if name != project.package:
        found.moves[project.package] = name
    if project.folder != TOP and project.top_package != name:
        found.moves |= {f"{project.top_package}.{inner}": inner for inner in SHARED}
        found.moves[f"{project.top_package}.{project.package}"] = name
    if not (root / LOCAL_SERVER).exists():
        found.moves["utils.local_server"] = "trainyard.models.local_server"
    common = PurePosixPath("projects") / name / COMMON
    waiting = [path for path in _own_code(tree, project) if path.suffix == ".py"]
    while waiting:
        path = waiting.pop()
        looked.add(path)
        for imported in Code(tree.read(path)).imports:
            for files in _reached(tree, project, project.local(imported.module), imported.names, others):
                added = _place(tree, files, project, name, root, common, found, unit)
                waiting += [one for one in added if one.suffix == ".py" and one not in looked]
    for module, new in list(found.moves.items()):  # by its longer name, too
        if project.folder != TOP and not module.startswith(f"{project.top_package}."):
            found.moves.setdefault(f"{project.top_package}.{module}", new)
    return found


def _own_code(tree: SourceTree, project: OldProject) -> list[PurePosixPath]:
    """The files of its models and of its common_utils."""
    folders = [*(model.folder for model in project.models), project.folder / COMMON]
    return [path for folder in folders for path in tree.below(folder)]


def _reached(
    tree: SourceTree, project: OldProject, module: str, names: Iterable[str], others: set[PurePosixPath]
) -> Iterable[PurePosixPath]:
    """The files and folders, directly in the top or in the project's folder, that an import leads to."""
    parts = [*module.split("."), *list(names)[:1]]
    own = {model.name for model in project.models} | {COMMON, ALL}
    if parts[0] == project.package and len(parts) > 1:
        candidates = [project.folder / parts[1]] if parts[1] not in own else []
    elif project.folder != TOP:
        candidates = [project.top / parts[0]]
    else:
        candidates = [TOP / parts[0]] if parts[0] in SHARED else []
    for path in candidates:
        if path in others or any(path in other.parents for other in others):
            continue
        if tree.has(path.with_name(f"{path.name}.py")):
            yield path.with_name(f"{path.name}.py")
        elif tree.is_folder(path):
            yield path


def _place(
    tree: SourceTree, source: PurePosixPath, project: OldProject, name: str, root: Path, common: PurePosixPath,
    found: SharedCode, unit: Unit,
) -> list[PurePosixPath]:  # fmt: skip
    """Put what lies at ``source`` where images have it; the files that came anew."""
    if source.parent == project.top and source.name in SHARED and not (project.folder == TOP and source.name == COMMON):
        paths = [path for path in tree.below(source) if path.relative_to(project.top) != LOCAL_SERVER]
        pairs = [(_at_top(tree, path, project.top, name, root, found, unit), path) for path in paths]
    else:
        old = [project.package] if source.parent == project.folder and project.folder != TOP else []
        module = ".".join([*old, source.stem])
        found.moves[module] = f"{name}.{COMMON}.{source.stem}"
        pairs = [(common / path.relative_to(source.parent), path) for path in tree.below(source)]
        if pairs and pairs[0][0] not in found.files:
            unit.decided.append(f"{source} is in {common}: images hold what lies there, and imports follow")
    new = [(target, path) for target, path in pairs if target not in found.files]
    found.files |= dict(new)
    return [path for _, path in new]


def _at_top(
    tree: SourceTree, path: PurePosixPath, top: PurePosixPath, name: str, root: Path, found: SharedCode, unit: Unit
) -> PurePosixPath:
    """Where a file of ``utils`` or ``common_utils`` goes: to the top where it can, else to ``common_utils`` of the
    project."""
    inside = path.relative_to(top)
    own = root / inside
    if not own.exists() and not own.is_symlink():
        return inside
    if own.is_file() and (own.read_bytes() == tree.read(path) or not _says_something(tree, path)):
        return inside
    target = PurePosixPath("projects") / name / COMMON / path.name
    if path.suffix == ".py":
        module = ".".join(inside.with_suffix("").parts)
        if module not in found.moves:
            unit.decided.append(f"{inside} is {target}: another file has its place here, and imports follow")
        found.moves[module] = f"{name}.{COMMON}.{path.stem}"
    return target


def _says_something(tree: SourceTree, path: PurePosixPath) -> bool:
    """Whether an ``__init__.py`` has code."""
    tree_of = Code(tree.read(path)).tree
    return path.name != "__init__.py" or tree_of is None or bool(tree_of.body)
