"""A model directory by its name, and what else is called after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir, Value, read_variables
from trainyard.host.monorepo.repository import Repository
from trainyard.host.scaffold.model_names import LONGEST, check_model, check_project, image_name


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

    @property
    def model_name(self) -> str:
        """The MODEL_NAME of a new one: of its binary, its predict function, its route."""
        return f"{self.project}_{self.model}"

    @property
    def container_name(self) -> str:
        """The CONTAINER_NAME of a new one."""
        return image_name(self.model_name)

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


def check_free(model: ModelDir, repository: Repository, setting: str, but: Path | None = None) -> None:
    """Whether no other model has the names of ``model``, which need not be there; the one at ``but`` may.

    Raises:
        TrainyardError: one has; the message begins with the ``setting``.
    """
    for clash in repository.clashes([model]):
        if clash.folder != but:
            what = f"{clash.variable} {clash.mine.text!r}, which {clash.other.source} has, too"
            raise TrainyardError(f"{setting}: it would have the {what}", "give another name")


def as_new(place: Place, repository: Repository) -> ModelDir:
    """A model that is not there yet, with the names that it will have."""
    names = {"MODEL_NAME": place.model_name, "CONTAINER_NAME": place.container_name}
    values = {name: Value(text, f"the new {place}") for name, text in names.items()}
    return ModelDir(place.path(repository.root), repository.root, values)


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
        for dressed in (str, image_name):
            pattern = rf"(?<![A-Za-z0-9]){re.escape(dressed(before))}(?![A-Za-z0-9])"
            if before != after and re.search(pattern, value):
                value = re.sub(pattern, dressed(after), value)
                break
    return value
