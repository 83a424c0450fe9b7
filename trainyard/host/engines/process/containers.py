"""Containers of the process engine: a folder of links and a child process.

containers/<name>/root/            the working directory: links to the image's sources and to what is mounted
containers/<name>/container.json   process id and its start time, image, model, port
containers/<name>/log              what a container in the background says
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount, RunPlan
from trainyard.host.engines.process.environment import ProcessImage
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.processes import started_at
from trainyard.host.support.reporter import Reporter


@dataclass(frozen=True)
class Containers:
    """The containers below ``folder``."""

    folder: Path
    stop_timeout: int
    reporter: Reporter

    def root(self, name: str) -> Path:
        return self.folder / name / "root"

    def log(self, name: str) -> Path:
        return self.folder / name / "log"

    def alive(self, name: str) -> bool:
        return _runs(self.read(name))

    def read(self, name: str) -> dict[str, Any]:
        """Its ``container.json``; empty where there is none that can be read."""
        try:
            found = json.loads((self.folder / name / "container.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and {"pid", "started", "build"} <= found.keys() else {}

    def alive_ones(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and ``container.json`` of those that run."""
        for path in sorted(self.folder.glob("*/container.json")):
            found = self.read(path.parent.name)
            if _runs(found):
                yield path.parent.name, found

    def builds_in_use(self) -> set[str]:
        """The image builds that running containers stand on."""
        return {data["build"] for _, data in self.alive_ones()}

    def dependencies_in_use(self) -> set[str]:
        """The virtual environments and builders of running containers."""
        return {path for _, data in self.alive_ones() for path in data.get("needs", [])}

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Two that start one name at once: the second finds the first."""
        limit = Limit("STOP_TIMEOUT", self.stop_timeout)
        return locked(self.folder.parent / "locks" / name, name, limit, self.reporter)

    def prepare(self, plan: RunPlan, image: ProcessImage) -> None:
        """Make its folder of links.

        Raises:
            TrainyardError: it runs already.
        """
        if self.alive(plan.name):
            raise TrainyardError(f"{plan.name} runs already", "stop it first: make stop")
        self._sweep(plan.name)
        root = self.root(plan.name)
        root.mkdir(parents=True)
        mounted = {mount.target.parts[0] for mount in plan.mounts}
        for entry in image.build.iterdir():
            if entry.name not in mounted:
                (root / entry.name).symlink_to(entry)
        for mount in plan.mounts:
            _link(root, mount)

    def _sweep(self, name: str) -> None:
        """Remove what is left of a dead container of this name, and of killed ones that had no log to keep."""
        for path in self.folder.glob("*"):
            logless = (path / "container.json").is_file() and not (path / "log").exists()
            if (path.name == name or logless) and not self.alive(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def note(self, plan: RunPlan, image: ProcessImage, pid: int) -> None:
        """Write down that the process ``pid`` is the container of ``plan``."""
        needs = [*map(str, image.venvs), str(image.builder)]
        facts = {"model": plan.model, "port": plan.port, "build": str(image.build), "needs": needs}
        data = {"pid": pid, "started": started_at(pid), **facts}
        write_whole(self.folder / plan.name / "container.json", json.dumps(data) + "\n")

    def remove(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)


def _runs(found: Mapping[str, Any]) -> bool:
    """Whether the process that was noted is there, and no other that has its number by now."""
    return bool(found) and started_at(found["pid"]) == found["started"] != ""


def _link(root: Path, mount: Mount) -> None:
    target = root / mount.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        target.rmdir()  # the place that a folder of links keeps for a nested mount
    if not target.is_symlink():
        target.symlink_to(mount.folder)
