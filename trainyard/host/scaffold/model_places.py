"""A model directory by its name, and what else is called after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir, read_variables
from trainyard.host.monorepo.repository import Repository
from trainyard.host.scaffold.model_names import LONGEST, check_model, check_project


@dataclass(frozen=True)
class Place:
    """A model directory, whether or not it is there."""

    project: str
    model: str

    def __str__(self) -> str:
        return f"{self.project}/{self.model}"

    @property
    def package(self) -> str:
        return f"{self.project}.{self.model}"

    def path(self, root: Path) -> Path:
        return root / "projects" / self.project / self.model


def place_of(text: str, setting: str) -> Place:
    """``<project>/<model>``, of a model that may have a name that no new one can have.

    Raises:
        TrainyardError: it is not of that form; the message begins with the ``setting``.
    """
    parts = text.removeprefix("projects/").rstrip("/").split("/")
    if len(parts) != 2 or any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise TrainyardError(f"{setting}={text[:LONGEST]}: not a model", f"say {setting}=<project>/<model>")
    return Place(*parts)


def check_new(place: Place, repository: Repository, setting: str) -> None:
    """Raises:
    TrainyardError: no model can be called so, or there is one."""
    check_model(place.model, check_project(place.project, repository, setting), setting)


def model_at(repository: Repository, place: Place, setting: str = "MODEL") -> ModelDir:
    """The model directory, even where its name, or a variable of its Makefile, could be no new one's.

    Raises:
        TrainyardError: it is not there, is a link, or its Makefile cannot be read.
    """
    path = place.path(repository.root)
    if place.model == "all":
        raise TrainyardError(
            f"{setting}={place}: all/ merges models, it is none", "remove or rename its folder by hand"
        )
    if path.is_symlink() or path.parent.is_symlink():
        raise TrainyardError(f"{path}: a link", "name the folder that it leads to")
    if not (path / "Makefile").is_file():
        known = ", ".join(f"{one.parent.name}/{one.name}" for one in repository.every_model_path())
        raise TrainyardError(f"{setting}={place}: no such model", f"there are: {known}")
    return ModelDir(path, repository.root, read_variables(path / "Makefile"))


def called_after(value: str, old: Place, new: Place) -> str:
    """A MODEL_NAME or CONTAINER_NAME, with the words in it that are the old names replaced by the new ones."""
    for before, after in ((old.project, new.project), (old.model, new.model)):
        for dressed in (str, _with_dashes):
            pattern = rf"(?<![A-Za-z0-9]){re.escape(dressed(before))}(?![A-Za-z0-9])"
            if before != after and re.search(pattern, value):
                value = re.sub(pattern, dressed(after), value)
                break
    return value


def _with_dashes(name: str) -> str:
    """As images are called."""
    return name.lower().replace("_", "-")
