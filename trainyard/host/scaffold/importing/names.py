"""Names that nobody has yet: of projects, models, images and routes. One rule for each, which the report gives."""

from __future__ import annotations

import contextlib
import keyword
import re
from collections.abc import Iterator
from itertools import chain, count
from pathlib import PurePosixPath

from trainyard.contract.environment import read_environment
from trainyard.contract.namesakes import owner_of
from trainyard.contract.routes import RESERVED, routes_of
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import read_variables
from trainyard.host.monorepo.repository import Repository
from trainyard.host.scaffold.model_names import PACKAGES, TAKEN, image_name

PROJECTS = PurePosixPath("projects")
_IMAGE = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_BINARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST = 60  # characters of a name that is made of another


def identifier(text: str, otherwise: str = "model") -> str:
    """A name for a Python package that is as near to ``text`` as can be."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:LONGEST].strip("_") or otherwise
    name = f"{otherwise}_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) else name


class Names:
    """The names that are taken in the monorepo, and those that an import has given.

    ``project`` is the name that the user has chosen for what comes; empty where it is not.
    """

    def __init__(self, repository: Repository, project: str = "") -> None:
        self.chosen = project
        self.root = repository.root
        folder = self.root / PROJECTS
        self.projects = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        self._models: dict[str, set[str]] = {}  # binaries by project
        self._images: set[str] = set()
        self._routes: set[str] = set(RESERVED)
        for makefile in chain(self.root.glob("projects/*/*/Makefile"), self.root.glob("all/Makefile")):
            with contextlib.suppress(TrainyardError, OSError):
                values = read_variables(makefile)
                if "CONTAINER_NAME" in values:
                    self._images.add(values["CONTAINER_NAME"].text)
                if "MODEL_NAME" in values:
                    self._models.setdefault(makefile.parent.parent.name, set()).add(values["MODEL_NAME"].text)
            with contextlib.suppress(TrainyardError, OSError):
                if makefile.parent.name != "all":
                    self._routes |= {
                        route.path for route in routes_of(read_environment(makefile.parent / ".s2i" / "environment"))
                    }

    def new_project(self, wanted: str, decided: list[str]) -> str:
        """A project that is not there yet."""
        name = identifier(wanted, "project")
        if owner := owner_of(name) or ("a package" if name.lower() in PACKAGES else ""):
            decided.append(f"project {name}: {owner} has that name, so it is {name}_models")
            name = f"{name}_models"
        return self._free(
            name, (f"{name}_{number}" for number in count(2)), self.projects, "project", decided, wanted=wanted
        )

    def models_of(self, project: str) -> set[str]:
        """The folders of a project that is there, or is not."""
        folder = self.root / PROJECTS / project
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def model_folder(self, wanted: str, taken: set[str], decided: list[str]) -> str:
        name = identifier(wanted)
        name = f"{name}_model" if name in TAKEN else name
        return self._free(name, (f"{name}_{number}" for number in count(2)), taken, "model", decided, wanted=wanted)

    def model(self, project: str, wanted: str, folder: str, decided: list[str]) -> str:
        """A MODEL_NAME: binaries of one project lie side by side."""
        name = wanted if _BINARY.fullmatch(wanted) else identifier(wanted)
        others = chain([f"{name}_{folder}"], (f"{name}_{number}" for number in count(2)))
        taken = self._models.setdefault(project, set())
        return self._free(name, others, taken, "MODEL_NAME", decided, wanted=wanted)

    def image(self, wanted: str, project: str, folder: str, decided: list[str]) -> str:
        """A CONTAINER_NAME."""
        own = image_name(f"{project}-{folder}"[:LONGEST])
        name = wanted if _IMAGE.fullmatch(wanted) else image_name(wanted[:LONGEST]) if wanted else own
        others = chain([own], (f"{own}-{number}" for number in count(2)))
        return self._free(name, others, self._images, "CONTAINER_NAME", decided, wanted=wanted or name)

    def route(self, wanted: str, project: str, folder: str, decided: list[str]) -> str:
        """A path that no other model answers: an image of several models has all of them."""
        others = chain(
            [f"{project}/{wanted}", f"{project}/{folder}/{wanted}"],
            (f"{project}/{folder}_{number}/{wanted}" for number in count(2)),
        )
        return self._free(wanted, others, self._routes, "route", decided, wanted=wanted)

    def _free(
        self, name: str, others: Iterator[str], taken: set[str], what: str, decided: list[str], *, wanted: str
    ) -> str:
        found = next(one for one in chain([name], others) if one not in taken)
        taken.add(found)
        if found != wanted:
            why = "that name is taken" if found != name else "that cannot be such a name"
            decided.append(f"{what} {wanted} is {found} here: {why}")
        return found
