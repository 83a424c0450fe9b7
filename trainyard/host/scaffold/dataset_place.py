"""The table that a model is written for: where DATASET is, and where it will be below the project."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError

_IN_MAKEFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # a part of a path that stands in one


def find_dataset(text: str, root: Path, project: str = "") -> Path:
    """The file or folder that ``text`` names, as the caller's folder, the monorepo ``root`` or the project sees it.

    Raises:
        TrainyardError: there is none, or it is neither.
    """
    paths = [Path(text).expanduser(), root / text, root / "projects" / project / text]
    for path in paths:
        if path.is_file() or path.is_dir():
            return path
    what = "neither a file nor a folder" if paths[0].exists() else "no such file"
    raise TrainyardError(f"DATASET={text}: {what}", "name a table, from the folder that you are in")


def project_around(dataset: Path, root: Path) -> str:
    """The project that has the dataset; empty where none has."""
    path, projects = dataset.resolve(), root.resolve() / "projects"
    below = path.relative_to(projects).parts if path.is_relative_to(projects) else ()
    return below[0] if below[1:] else ""


def is_copied(dataset: Path, project: Path) -> bool:
    """Whether the dataset lies outside of the project, which gets a copy."""
    return not dataset.resolve().is_relative_to(project.resolve())


def dataset_name(dataset: Path, project: Path) -> PurePosixPath:
    """The DATASET_NAME: where the dataset is, or its copy will be, below the project.

    Raises:
        TrainyardError: make cannot be given its path; or it is a folder outside of the project.
    """
    if is_copied(dataset, project):
        if dataset.is_dir():
            raise TrainyardError(f"{dataset}: a folder outside of the project", f"copy it into {project}/data")
        return PurePosixPath("data") / re.sub(r"[^A-Za-z0-9._-]+", "_", dataset.name).lstrip("._-")
    name = PurePosixPath(dataset.resolve().relative_to(project.resolve()))
    if not all(map(_IN_MAKEFILE.fullmatch, name.parts)):
        raise TrainyardError(
            f"{dataset}: make cannot be given this path", "rename it: letters of English, digits, '.', '_' and '-'"
        )
    return name
