"""Which models a change touches: those whose images or trainings are made of the paths that changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from trainyard.host.monorepo.repository import MARKER
from trainyard.host.monorepo.sources import EXCLUDED_AT_TOP, SHARED, excluded
from trainyard.host.operations.link_targets import link_targets
from trainyard.host.operations.session import Session
from trainyard.host.requirements.named_paths import named_paths

# What every image is made of or by.
EVERYWHERE = (*SHARED, "builders", "mk", "trainyard", "pyproject.toml", MARKER)
# What all models of a project are made of, or trained on.
OF_PROJECT = ("common_utils", "data", "__init__.py")
# Kept out of a context as such, but read while building, or what decides the names of images.
READ = ("Makefile", ".s2i", "requirements*", "setup.sh", "uv.lock", "pylock.toml", "pylock.*.toml")


@dataclass
class Affected:
    """Models and ``all/`` folders, each with the changed paths that touch it."""

    models: dict[str, list[str]] = field(default_factory=dict)
    merged: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self, since: str) -> str:
        """``projects``, ``models`` and ``all`` are lists for a matrix; ``because`` names the paths."""
        projects = sorted({name.partition("/")[0] for name in self.models})
        because = {name: sorted(paths) for name, paths in sorted({**self.models, **self.merged}.items())}
        answer = {
            "since": since,
            "projects": projects,
            "models": sorted(self.models),
            "all": sorted(self.merged),
            "because": because,
        }
        return json.dumps(answer, indent=2)


def affected_by(session: Session, changed: Iterable[str]) -> Affected:
    """What paths below the root touch, of the models and ``all/`` folders that are there now."""
    models = [f"{path.parent.name}/{path.name}" for path in session.repository.every_model_path()]
    folders = [str(path.relative_to(session.repository.root)) for path in session.repository.all_folders()]
    return affected(changed, models, folders, _linked(session, models))


def _linked(session: Session, models: Iterable[str]) -> dict[str, set[PurePosixPath]]:
    """What links in the sources of each model lead to, and what its requirements name. Links in data/ may not leave
    it."""
    root = session.repository.root.resolve()
    shared = link_targets((root / name for name in SHARED), root)
    projects = root / "projects"
    found = {}
    for model in models:
        project = projects / model.partition("/")[0]
        data = [project / "data"] if (project / "data").is_symlink() else []
        named = (path for path in named_paths(projects / model) if path.is_relative_to(root))
        links = link_targets([projects / model, project / "common_utils", *data], root)
        found[model] = shared | links | {PurePosixPath(path.relative_to(root)) for path in named}
    return found


def affected(
    changed: Iterable[str],
    models: Iterable[str],
    merged: Iterable[str],
    linked: Mapping[str, Collection[PurePosixPath]] = MappingProxyType({}),
) -> Affected:
    """Map changed paths (relative to the root) to ``<project>/<model>`` names and to ``all/`` folders; ``linked`` are
    paths elsewhere that are sources of a model, too."""
    models, merged = list(models), list(merged)
    found = Affected()
    for path in changed:
        touched = [model for model in models if _touches(PurePosixPath(path), model, linked.get(model, ()))]
        for model in touched:
            found.models.setdefault(model, []).append(path)
        projects = {model.partition("/")[0] for model in touched} | _project_of(path)
        for folder in merged:
            whole = folder == "all" and projects
            if whole or _project(folder) in projects or path == f"{folder}/Makefile":
                found.merged.setdefault(folder, []).append(path)
    return found


def _project(folder: str) -> str:
    """``projects/<project>/all`` is of a project; the ``all`` at the top is of none."""
    return folder.split("/")[1] if "/" in folder else ""


def _project_of(path: str) -> set[str]:
    """The project of a model directory that is there no more: what merged it has to be built anew."""
    parts = PurePosixPath(path).parts
    gone = len(parts) == 4 and parts[0] == "projects" and parts[3] == "Makefile" and parts[2] != "all"
    return {parts[1]} if gone else set()


def _touches(path: PurePosixPath, name: str, linked: Collection[PurePosixPath]) -> bool:
    folder = PurePosixPath("projects") / name
    # Git names a submodule, and a clone that it does not track, by its folder alone.
    return (
        path in (folder, *folder.parents)
        or any(path in (target, *target.parents) or target in path.parents for target in linked)
        or _is_source(path, *name.split("/"))
    )


def _is_source(path: PurePosixPath, project: str, model: str) -> bool:
    parts = path.parts
    if parts[0] in EVERYWHERE:
        return not any(excluded(part) for part in parts)
    if parts[:2] != ("projects", project) or len(parts) < 3:
        return False
    if parts[2] in OF_PROJECT:
        return not any(excluded(part) for part in parts[3:])
    if parts[2] != model or len(parts) < 4:
        return False
    kept_out = tuple(pattern for pattern in EXCLUDED_AT_TOP if pattern not in READ)
    return not excluded(parts[3], kept_out) and not any(excluded(part) for part in parts[4:])
