"""The small files that a training leaves for git, and how they come into a commit that others may have followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.dvc_files import LOCK
from trainyard.host.experiments.parameters import TUNED
from trainyard.host.experiments.training_metrics import FOLDER, SUMMARY
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.support.shared_folder import SharedFolder


@dataclass(frozen=True)
class SmallFile:
    """A file below the project. ``part``: where in it the model's own part is, where others write to it too."""

    model: str
    path: str  # below the root
    content: bytes
    part: tuple[str, ...] = ()

    def over(self, there: bytes | None) -> bytes:
        """The file, where ``there`` is what the branch has: of a file of several, what others wrote stays."""
        if not self.part or there is None:
            return self.content
        read, write = (_read_json, _json) if self.path.endswith(".json") else (_read_yaml, _yaml)
        ours, theirs = read(self.content), read(there)
        return write(_put(theirs, _get(ours, self.part), self.part)) if _get(ours, self.part) is not None else there


def small_files(model: ModelDir) -> Iterator[SmallFile]:
    """Those of one model that are there.

    Raises:
        TrainyardError: config.yaml lists one that is not there.
        OSError: one cannot be read.
    """
    project, place = SharedFolder(model.project), model.project.relative_to(model.root).as_posix()
    usual = {
        SUMMARY: (model.model_name,),
        f"{FOLDER}/{model.model_name}.json": (),
        f"{FOLDER}/{model.model_name}.csv": (),
        f"{model.path.name}/{TUNED}": (),
        LOCK: ("stages", model.path.name),
    }
    for name, part in usual.items():
        if project.is_file(name):
            yield SmallFile(model.name, f"{place}/{name}", project.read(name), part)
    for name in read_config(model.path).ci.commit:
        if not project.is_file(name):
            raise TrainyardError(
                f"{model.path / 'config.yaml'}: ci.commit has {name}, and there is no such file",
                f"name a file below {place}/ that the training writes",
            )
        yield SmallFile(model.name, f"{place}/{name}", project.read(name))


def _get(content: dict[str, Any], part: tuple[str, ...]) -> Any:
    found: Any = content
    for name in part:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _put(content: dict[str, Any], value: Any, part: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = part
    inner = content.get(first)
    return {**content, first: _put(inner if isinstance(inner, dict) else {}, value, tuple(rest)) if rest else value}


def _read_json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _read_yaml(content: bytes) -> dict[str, Any]:
    try:
        found = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
