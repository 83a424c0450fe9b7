"""A source that is one model of another tool: it stays as it is in ``original/``, and a few files around it make it a
model directory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from trainyard.contract.routes import CAME_TRAINED
from trainyard.host.scaffold.importing.names import PROJECTS, Names, identifier
from trainyard.host.scaffold.importing.requirements import REQUIREMENTS, written
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Unit
from trainyard.host.scaffold.importing.wiring import WIRING, makefile

ORIGINAL = "original"
SAMPLE = PurePosixPath("test/test_instances.json")
MADE = "Written by `make import`: change it as you like."
SETUP = """\
# What {file} wants of the system. Runs as root when the images are built.
apt-get update
apt-get install -y --no-install-recommends {packages}
rm -rf /var/lib/apt/lists/*
"""
_SYSTEM_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*(=[\w.:~+-]+)?")


@dataclass
class OneModel:
    """The model directory that is made."""

    tree: SourceTree
    names: Names
    unit: Unit
    folder: PurePosixPath
    name: str  # MODEL_NAME
    wiring: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> PurePosixPath:
        return self.folder.parent

    @property
    def package(self) -> str:
        return f"{self.project.name}.{self.folder.name}"

    @property
    def function(self) -> str:
        """The name of its predict function."""
        return f"predict_{identifier(self.name)}"

    def keep(self, paths: Iterable[PurePosixPath]) -> None:
        """Bring files as they are, to ``original/``."""
        for path in paths:
            self.unit.bring(self.folder / ORIGINAL / path, path)

    def write(self, name: str | PurePosixPath, text: str, why: str) -> None:
        self.unit.write(self.folder / name, text, why)

    def routes(self, functions: Sequence[str]) -> None:
        """Each function of predict.py answers a route of its own."""
        parts = []
        for function in functions:
            wanted = "predict" if len(functions) == 1 else function.removeprefix("predict_")
            path = self.names.route(f"{self.name}/{wanted}", self.project.name, self.folder.name, self.unit.decided)
            parts.append(f"{path}:{self.package}.predict:{function}")
        self.wiring = {"ROUTES": ",".join(parts), **self.wiring}

    def trained_by(self, module: str, function: str = "train") -> None:
        self.wiring |= {"TRAIN_MODULE": module, "TRAIN_FUNCTION": function}

    def untrained(self) -> None:
        """It came trained, inside of its code."""
        path = self.folder / WIRING
        self.unit.to_do.append(f"{path}: write train(msg) and name it here, or go without: it serves what it came with")
        self.unit.untrained = True
        self.trained_by(CAME_TRAINED)

    def requirements(self, lines: Iterable[str], why: str) -> None:
        self.write(REQUIREMENTS, written(dict.fromkeys(lines)), why)

    def system_packages(self, packages: Sequence[Any], file: str) -> None:
        """A setup.sh that installs them; what is no name of a package is named in the report."""
        wanted = [str(one) for one in packages if _SYSTEM_PACKAGE.fullmatch(str(one))]
        for other in packages:
            if str(other) not in wanted:
                self.unit.impossible.append(f"{file}: {str(other)!r} is not the name of a system package")
        if wanted:
            self.write("setup.sh", SETUP.format(file=file, packages=" ".join(wanted)), f"system packages of {file}")

    def sample(self, rows: Sequence[Any], why: str) -> None:
        self.write(SAMPLE, json.dumps({"payload": {"instances": list(rows)}}, indent=2) + "\n", why)

    def finish(self, dataset: str) -> Unit:
        """The Makefile and the wiring."""
        image = self.names.image(self.name.replace("_", "-"), self.project.name, self.folder.name, self.unit.decided)
        self.write("Makefile", makefile(self.name, dataset, image), "three variables and an include")
        self.write(WIRING, "".join(f"{key}={value}\n" for key, value in self.wiring.items()), "routes and training")
        self.unit.models.append(self.folder)
        return self.unit


def one_model(tree: SourceTree, names: Names, kind: str, called: str = "", model_name: str = "") -> OneModel:
    """Where it goes: ``projects/<PROJECT>/<name>``, or ``projects/<name>/model`` where PROJECT is not said.

    ``called``: the name, if it is another than the source's; ``model_name``: the MODEL_NAME that its code has.
    """
    decided: list[str] = []
    name = identifier(called or tree.name)
    if names.chosen:
        names.projects.add(names.chosen)
        project, taken = names.chosen, names.models_of(names.chosen)
        folder = names.model_folder(name, taken, decided)
    else:
        project, folder = names.new_project(name, decided), "model"
    own = name if names.chosen else project
    wanted = names.model(project, model_name or own, folder, decided)
    place = PROJECTS / project / folder
    return OneModel(tree, names, Unit(place, kind, decided=decided), place, wanted)


def example_of(annotation: str) -> Any:
    """A value for a parameter of that type; None where there is none to make up."""
    plain = annotation.removeprefix("typing.").partition("[")[0].partition(" ")[0]
    return {"str": "text", "int": 1, "float": 1.0, "bool": True, "": 1}.get(plain)
