"""Tasks as they were submitted, kept until they are over: a file in our state, where no container can write. Whoever
comes back can send the files of a task, or begin it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.compute.base import InputFile, StoredInput, Task
from trainyard.host.compute.compute_file import Resources
from trainyard.settings.host import SECRETS

FOLDER = "tasks"  # in the state folder of a monorepo


@dataclass(frozen=True)
class SubmittedTasks:
    """Those of the monorepo whose state is in the folder ``state``."""

    state: Path

    def save(self, task: Task) -> None:
        """Secrets are not written down, but their names.

        Raises:
            TrainyardError: it cannot be written.
        """
        shown = {name: value for name, value in task.env.items() if name not in SECRETS}
        parts = {one.name: getattr(task, one.name) for one in fields(task)}
        inputs = [{**asdict(one), "path": str(one.path)} for one in task.inputs]
        resources = task.resources.model_dump(exclude_defaults=True)
        stored = [asdict(one) for one in task.stored]
        unknown = sorted(task.env.keys() - shown.keys())
        changed = {"unknown": unknown, "env": shown, "inputs": inputs, "stored": stored, "resources": resources}
        content = {**parts, **changed}
        path = self._path(task.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(content, indent=2))
        except OSError as error:
            raise TrainyardError(f"{path}: {error.strerror}", "check permissions and space") from None

    def read(self, name: str, env: Mapping[str, str]) -> Task | None:
        """The task of that name, with the secrets of ``env``; None where it was not kept."""
        try:
            content = json.loads(self._path(name).read_text())
        except (OSError, ValueError):
            return None
        secrets = {name: value for name, value in env.items() if name in SECRETS}
        inputs = [InputFile(**{**one, "path": Path(one["path"])}) for one in content["inputs"]]
        changed = {
            "env": {**content["env"], **secrets}, "inputs": inputs, "resources": Resources(**content["resources"]),
            "stored": tuple(StoredInput(**one) for one in content.get("stored", ())),
            "unknown": tuple(name for name in content.get("unknown", ()) if name not in secrets),
        }  # fmt: skip
        return Task(**{**content, **changed})

    def forget(self, name: str) -> None:
        """It is over."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.state / FOLDER / f"{name}.json"
