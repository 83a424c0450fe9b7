"""What in a model's code will not work here as it did, with the line and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from trainyard.contract.namesakes import SHARED
from trainyard.host.scaffold.importing.historical.layout import ALL, COMMON, OldModel, OldProject
from trainyard.host.scaffold.importing.python_code import Code
from trainyard.host.scaffold.importing.source_tree import TOP, SourceTree
from trainyard.host.scaffold.importing.unit import place

IN_STAND_IN = {"Cortex", "Message"}
OURS = "utils.local_server"  # is in trainyard.models
# Where packages have put what old code imports.
MOVED = {
    "sklearn.externals.joblib": "import joblib",
    "sklearn.externals.six": "import six",
    "sklearn.cross_validation": "from sklearn.model_selection import ...",
    "sklearn.grid_search": "from sklearn.model_selection import ...",
    "sklearn.preprocessing.data": "from sklearn.preprocessing import ...",
    "sklearn.preprocessing.label": "from sklearn.preprocessing import ...",
    "sklearn.ensemble.forest": "from sklearn.ensemble import ...",
    "sklearn.ensemble.gradient_boosting": "from sklearn.ensemble import ...",
    "sklearn.tree.tree": "from sklearn.tree import ...",
    "sklearn.linear_model.logistic": "from sklearn.linear_model import ...",
    "sklearn.svm.classes": "from sklearn.svm import ...",
    "sklearn.neighbors.classification": "from sklearn.neighbors import ...",
    "keras.utils.np_utils": "from keras.utils import ...",
}


def remarks_on(tree: SourceTree, project: OldProject, model: OldModel, path: PurePosixPath) -> Iterator[str]:
    """Of one Python file of a model."""
    code = Code(tree.read(path))
    if code.error:
        yield f"{place(path)}: cannot be read as Python of today ({code.error}): correct it"
        return
    yield from _platform(path, code)
    yield from _imports(path, code, project, model)
    yield from _absent(tree, path, code, project, model)
    beside = {one.name for one in tree.below(model.folder) if one.parent == model.folder and one.suffix != ".py"}
    if model.folder == TOP or not _is_packaged(project, model):
        for text, line in code.strings():
            if text.removeprefix("./") in beside - {"requirements.txt"}:
                yield (
                    f"{place(path, line)}: opens {text!r} in the working folder: write "
                    f"str(pathlib.Path(__file__).with_name({text.removeprefix('./')!r}))"
                )


def _platform(path: PurePosixPath, code: Code) -> Iterator[str]:
    named = {name for one in code.imports if one.module == "cortex" for name in one.names}
    for name in sorted(named - IN_STAND_IN):
        yield f"{place(path)}: imports {name} from cortex: our stand-in has Message alone; add cortex-python"
    if "Cortex" in named:
        for line in code.uses_of("Cortex"):
            yield f"{place(path, line)}: uses Cortex, the client of a platform: remove it, or add cortex-python"


def _imports(path: PurePosixPath, code: Code, project: OldProject, model: OldModel) -> Iterator[str]:
    siblings = {one.name for one in project.models} - {model.name} | {ALL}
    for one in code.imports:
        for name in {one.module, *(f"{one.module}.{inner}" for inner in one.names)} & MOVED.keys():
            if not one.guarded:
                yield f"{place(path, one.line)}: {name} is gone from its package: write {MOVED[name]}"
        parts = project.local(one.module).split(".")
        if (
            parts[0] == project.package
            and (set(parts[1:2]) | (set(one.names) if len(parts) == 1 else set())) & siblings
        ):
            yield (
                f"{place(path, one.line)}: imports {one.module}, of another model, which is not in this one's images: "
                f"move what both need to {COMMON}"
            )


def _absent(tree: SourceTree, path: PurePosixPath, code: Code, project: OldProject, model: OldModel) -> Iterator[str]:
    """What lies outside of a source that is a project or a model alone."""
    if project.folder != TOP:
        return
    places = {project.package: TOP, **{name: PurePosixPath(name) for name in SHARED}}
    for one in code.imports:
        first, *rest = one.module.split(".")
        inner = [*rest, *one.names][:1]
        where = places[first].joinpath(*inner) if first in places else TOP
        there = where == TOP or inner == [model.name] or tree.is_folder(where) or tree.has(where.with_suffix(".py"))
        if not there and one.module != OURS:
            yield f"{place(path, one.line)}: imports {one.module}, which the source has not: import the folder above it"


def _is_packaged(project: OldProject, model: OldModel) -> bool:
    return any(module.split(".")[0] == project.package for module in model.modules)


def remarks_on_others(tree: SourceTree, projects: Mapping[str, OldProject]) -> list[str]:
    """Imports of one project from another: an image holds one."""
    found = []
    for name, project in projects.items():
        others = {other.package for one, other in projects.items() if one != name} - {project.package}
        for path in tree.below(project.folder) if project.folder != TOP else []:
            if path.suffix == ".py":
                found += [
                    f"{place(path, one.line)}: imports {one.module}, of another project: move it to utils"
                    for one in Code(tree.read(path)).imports
                    if project.local(one.module).split(".")[0] in others
                ]
    return found
