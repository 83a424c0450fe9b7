"""Which folders of a source are projects and models in the historical layout."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from trainyard.host.scaffold.importing.source_tree import TOP, SourceTree
from trainyard.host.scaffold.importing.wiring import WIRING, Wiring, read_wiring, route_texts

ALL = "all"
COMMON = "common_utils"
_WIRED = re.compile(r"^\s*(?:export\s+)?(ROUTES|TRAIN_MODULE)\s*=", re.MULTILINE)


@dataclass
class OldModel:
    """A model's folder in the source, and what its wiring says."""

    folder: PurePosixPath
    wiring: Wiring

    @property
    def modules(self) -> list[str]:
        """The modules that it names."""
        values = self.wiring.values
        named = [route.module for route in route_texts(values.get("ROUTES", ""))]
        return [*named, *(values[key] for key in ("TRAIN_MODULE", "PREDICT_MODULE") if values.get(key))]

    @property
    def name(self) -> str:
        """That of its folder; where that is the source itself, as its modules have it: ``shop.linear.predict``."""
        inner = [module.split(".")[1] for module in self.modules if module.count(".") > 1]
        return self.folder.name or (inner[0] if inner else "model")


@dataclass
class OldProject:
    """A folder of models. ``package`` is the name by which their code imports it; it may lie in ``top_package``, the
    folder of all projects."""

    folder: PurePosixPath
    package: str
    top_package: str
    models: list[OldModel] = field(default_factory=list)

    @property
    def top(self) -> PurePosixPath:
        """Where what several projects share lies."""
        return self.folder.parent

    def local(self, module: str) -> str:
        """A module without the package that all projects lie in."""
        return module.removeprefix(f"{self.top_package}.") if self.folder != TOP else module

    @property
    def all(self) -> PurePosixPath:
        return self.folder / ALL


def wired_folders(tree: SourceTree) -> list[PurePosixPath]:
    """The folders with an environment that has routes, outermost first; none lies in another."""
    found: list[PurePosixPath] = []
    for path in sorted(tree.files, key=lambda one: (len(one.parts), one)):
        folder = path.parent.parent
        if path.parts[-2:] == WIRING.parts and folder.name != ALL and _WIRED.search(tree.text(path)):
            found.append(folder)
    inner = [one for one in found if one != TOP]
    return [one for one in inner if not any(other in one.parents for other in inner)] if inner else found


def read_layout(tree: SourceTree) -> list[OldProject]:
    """The projects, outermost first."""
    projects: dict[PurePosixPath, OldProject] = {}
    for folder in wired_folders(tree):
        around = folder.parent
        model = OldModel(folder, read_wiring(tree.text(folder / WIRING)))
        projects.setdefault(around, OldProject(around, "", around.parent.name or tree.name)).models.append(model)
    for project in projects.values():
        project.package = _package(project, tree)
    return list(projects.values())


def _package(project: OldProject, tree: SourceTree) -> str:
    """What its modules begin with; that of a project in a folder is the folder's name, whatever they say."""
    if project.folder != TOP:
        return project.folder.name
    named = Counter(
        module.split(".")[0]
        for model in project.models
        for module in model.modules
        if module.count(".") and module.split(".")[1] in (model.name, COMMON)
    )
    return named.most_common(1)[0][0] if named else tree.name
