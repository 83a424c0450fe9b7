"""Which model of a repository a job means."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.repository import Repository

_MOST_NAMES = 10  # that a hint lists


def place_of(repository: Repository, location: str) -> str:
    """One name for a model, however it is named; ``location`` itself where the work tree has no such model: a commit
    may.

    Raises:
        TrainyardError: several models have that name.
    """
    try:
        return locate(repository, location).relative_to(repository.root).as_posix()
    except SeveralError:
        raise
    except TrainyardError:
        return location


class SeveralError(TrainyardError):
    """Several models have the name."""


def locate(repository: Repository, location: str) -> Path:
    """The folder that ``location`` names: a path below the root, or the name of a model, as ``randomForest`` or
    ``finance_income_prediction/randomForest``.

    Raises:
        TrainyardError: there is none, or there are several.
    """
    if location.startswith("-") or PurePosixPath(location).is_absolute() or ".." in PurePosixPath(location).parts:
        raise TrainyardError(f"{location}: not a place in the repository", "name a model, or its folder below the top")
    folder = repository.root / location
    if folder.is_dir() and folder.resolve().is_relative_to(repository.root.resolve()):
        return folder
    models = {path.relative_to(repository.root / "projects").as_posix(): path for path in repository.every_model_path()}
    found = [path for name, path in models.items() if location in (name, path.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(models)[:_MOST_NAMES])
    more = f" and {len(models) - _MOST_NAMES} more" if len(models) > _MOST_NAMES else ""
    if found:
        several = " and ".join(str(path.relative_to(repository.root)) for path in found)
        raise SeveralError(f"{location}: {several} have that name", "name the folder")
    raise TrainyardError(f"{location}: the repository has no such model", f"it has {known or 'none'}{more}")
