"""One model of the historical layout as a model directory of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from trainyard.host.monorepo.model_dir import MODEL_VARIABLES
from trainyard.host.scaffold.importing.historical.layout import COMMON, OldModel, OldProject
from trainyard.host.scaffold.importing.historical.remarks import remarks_on
from trainyard.host.scaffold.importing.makefiles import builders_of, image_of, targets_of, variables_of
from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.python_code import Code, moved
from trainyard.host.scaffold.importing.requirements import REQUIREMENTS, guessed, written
from trainyard.host.scaffold.importing.source_tree import TABLES, TOP, SourceTree
from trainyard.host.scaffold.importing.unit import Unit, place
from trainyard.host.scaffold.importing.wiring import MAKEFILES, WIRING, dataset_name, makefile, route_texts

SAMPLE = PurePosixPath("test/test_instances.json")
UNTRAINED = "untrained.py"
NOTHING_TRAINS = '''\
"""Nothing trains this model: `make import` found no train function. Write it here."""

from trainyard.errors import TrainyardError


def train(msg):
    raise TrainyardError("nothing trains {model}", "write train(msg) in {path}")
'''


@dataclass
class NewModel:
    """Where a model goes, and the modules that moved."""

    tree: SourceTree
    project: OldProject
    old: OldModel
    folder: PurePosixPath  # below the monorepo
    moves: dict[str, str]
    names: Names
    unit: Unit

    @property
    def package(self) -> str:
        return f"{self.folder.parent.name}.{self.folder.name}"

    def bring(self) -> None:
        """Plan its files."""
        self._move_own_modules()
        for path in self.files():
            self._file(path)
        self._makefile()
        self._wiring()
        self._requirements()
        self._sample()

    def files(self) -> list[PurePosixPath]:
        """Its files in the source. Of a model at the top of the source that is all of it."""
        return self.tree.below(self.old.folder)

    def _move_own_modules(self) -> None:
        """The image of a model without a project has its modules at the top, where its code imports them."""
        tops = {module.split(".")[0] for module in self.old.modules}
        beside = {
            path.stem if path.parent == self.old.folder else path.relative_to(self.old.folder).parts[0]
            for path in self.files()
            if path.suffix == ".py"
        }
        if self.project.package not in tops and tops & beside:
            self.moves |= {name: f"{self.package}.{name}" for name in beside - {"test", "tests", COMMON}}
            self.unit.decided.append(f"modules of {place(self.old.folder)} are in the package {self.package}")
        if self.old.name != self.folder.name:
            self.moves[f"{self.project.package}.{self.old.name}"] = self.package

    def _file(self, path: PurePosixPath) -> None:
        inside = path.relative_to(self.old.folder)
        if str(inside) in MAKEFILES:
            if inside.name != "Makefile":
                self.unit.drop(path, "make would read it in place of our Makefile")
        elif inside not in (WIRING, PurePosixPath("build.sh")):
            bring_file(self.tree, path, self.folder / inside, self.moves, self.unit)
            if path.suffix == ".py":
                self.unit.to_do += remarks_on(self.tree, self.project, self.old, path)
        if str(inside) == "setup.sh":
            self.unit.to_do.append(f"{place(path)}: runs as root when the images are built: read it")

    def _makefile(self) -> None:
        source = self.old.folder / "Makefile"
        text = self.tree.text(source) if self.tree.has(source) else ""
        given = variables_of(text)
        for name in MODEL_VARIABLES:
            if name in given and given[name].computed:
                self.unit.impossible.append(
                    f"{place(source, given[name].line)}: {name} is computed by make, so it is chosen anew: compare"
                )
        known = {name: one.text for name, one in given.items() if not one.computed}
        project, folder, decided = self.folder.parent.name, self.folder.name, self.unit.decided
        model = self.names.model(
            project, known.get("MODEL_NAME") or self._served_name() or f"{project}_{folder}", folder, decided
        )
        image = self.names.image(known.get("CONTAINER_NAME") or image_of(text), project, folder, decided)
        dataset = self._dataset(known.get("DATASET_NAME", ""), source)
        made = makefile(model, dataset, image)
        ours = re.search(r"^include \.\./\.\./\.\./mk/model\.mk$", text, re.MULTILINE)
        if ours and not targets_of(text) and (known.get("MODEL_NAME"), known.get("CONTAINER_NAME")) == (model, image):
            self.unit.bring(self.folder / "Makefile", source)
            return
        builders = f"; {', '.join(builders_of(text))}: our builder images have their place" if builders_of(text) else ""
        self.unit.write(
            self.folder / "Makefile", made, f"three variables and an include, in place of its recipes{builders}",
            source if text else None,
        )  # fmt: skip

    def _served_name(self) -> str:
        """The name that its code loads where nothing says another: ``os.getenv("MODElNAME", <name>)``."""
        for path in self.files():
            if path.suffix == ".py" and path.parent == self.old.folder:
                found = re.search(r"""MODEL_?NAME["']\s*,\s*["']([\w.-]+)["']""", self.tree.text(path), re.IGNORECASE)
                if found := found or re.search(r"""^model_name\s*=\s*["']([\w.-]+)["']""", self.tree.text(path), re.M):
                    return found[1]
        return ""

    def _dataset(self, wanted: str, makefile_of_model: PurePosixPath) -> str:
        if name := dataset_name(wanted):
            return name
        if wanted:
            self.unit.impossible.append(
                f"{place(makefile_of_model)}: DATASET_NAME {wanted!r} is not below the project: put the data there"
            )
        data = self.project.folder / "data"
        tables = [path for path in self.tree.below(data) if path.suffix in TABLES and path != TOP]
        found = dataset_name(str(tables[0].relative_to(self.project.folder))) if len(tables) == 1 else ""
        return found or (f"data/{self.folder.name}.csv" if self._trains() else "data")

    def _wiring(self) -> None:
        source, values = self.old.folder / WIRING, dict(self.old.wiring.values)
        project, folder = self.folder.parent.name, self.folder.name

        def rename(module: str) -> str:
            return moved(module, self.moves)

        routes = route_texts(values.get("ROUTES", ""), rename)
        paths = [self.names.route(one.path, project, folder, self.unit.decided) for one in routes]
        new = {
            "ROUTES": ",".join(f"{path}:{one.module}:{one.function}" for path, one in zip(paths, routes, strict=True))
        }
        for key in ("TRAIN_MODULE", "PREDICT_MODULE"):
            if values.get(key):
                new[key] = rename(values[key])
        if not values.get("TRAIN_MODULE"):
            new["TRAIN_MODULE"] = self._train_module()
        text = self.old.wiring.with_values({**{key: value for key, value in values.items() if key not in new}, **new})
        if text == self.tree.text(source):
            self.unit.bring(self.folder / WIRING, source)
        else:
            self.unit.write(self.folder / WIRING, text, "modules and routes by their names here", source)

    def _trains(self) -> bool:
        """Whether it has a function that training can call."""
        source = self.old.folder / "train.py"
        functions = Code(self.tree.read(source)).functions if self.tree.has(source) else {}
        fits = "train" in functions and len(functions["train"].parameters) >= 1 >= len(functions["train"].required)
        return fits or bool(self.old.wiring.values.get("TRAIN_MODULE"))

    def _train_module(self) -> str:
        if self._trains():
            return f"{self.package}.train"
        path = self.folder / UNTRAINED
        self.unit.write(
            path, NOTHING_TRAINS.format(model=self.package, path=path), "the wiring names no train function"
        )
        self.unit.untrained = len(self.project.models) == 1
        self.unit.to_do.append(f"{path}: write train(msg), or go without: the model serves what it came with")
        return f"{self.package}.{path.stem}"

    def _requirements(self) -> None:
        names = {path.name for path in self.files() if path.parent == self.old.folder}
        for role in ("train", "predict"):
            if not names & {f"requirements_{role}.txt", REQUIREMENTS, "pyproject.toml", "pylock.toml"}:
                lines = guessed(self.tree, [path for path in self.files() if path.suffix == ".py"], self.unit.to_do)
                path = self.folder / f"requirements_{role}.txt"
                self.unit.write(path, written(lines), "there was none: from what the code imports; name the versions")

    def _sample(self) -> None:
        if not self.tree.has(self.old.folder / SAMPLE):
            copy_sample(self.tree, self.files(), self.folder, self.unit)


def copy_sample(tree: SourceTree, candidates: Iterable[PurePosixPath], folder: PurePosixPath, unit: Unit) -> None:
    """A request body among the JSON files, as the one that ``make test-endpoint`` posts."""
    for path in candidates:
        if path.suffix == ".json" and "instance" in path.name.lower():
            try:
                rows = json.loads(tree.text(path))["payload"]["instances"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if isinstance(rows, list) and rows:
                unit.write(
                    folder / SAMPLE, tree.read(path), f"{path.name}, where make test-endpoint looks for it", path
                )
                return


def bring_file(
    tree: SourceTree, source: PurePosixPath, target: PurePosixPath, moves: dict[str, str], unit: Unit
) -> None:
    """A file as it is, or with imports that follow ``moves``."""
    from trainyard.host.scaffold.importing.python_code import with_moves

    content = tree.read(source) if source.suffix == ".py" and moves else b""
    changed = with_moves(content, moves) if content else content
    if changed == content:
        unit.bring(target, source)
    else:
        unit.write(target, changed, "imports follow the modules that moved", source)
