"""The images that the process engine keeps: finding, describing, searching and removing them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.files import open_regular, size_of
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import BuiltImage, Stored
from trainyard.host.engines.engine import ExportedImage
from trainyard.host.engines.process.assembling import ProcessAssembler
from trainyard.host.engines.process.containers import Containers
from trainyard.host.engines.process.image_folders import ImageFolders
from trainyard.host.secrets.leaks import Look, look_through
from trainyard.host.support.command import Limit
from trainyard.host.support.product import BUILDER_SOURCES


@dataclass(frozen=True)
class ProcessImages:
    """Images that are folders."""

    assembler: ProcessAssembler
    folders: ImageFolders
    containers: Containers

    def built(self, names: Iterable[str]) -> dict[str, str]:
        found = {name: self.folders.read(name) for name in names}
        return {name: image.identity for name, image in found.items() if image}

    def find(self, image: str) -> BuiltImage | None:
        found = self.folders.read(image)
        return BuiltImage(found.build.name, found.identity, found.labels) if found else None

    def facts(self, image: str) -> dict[str, Any]:
        found = self.folders.need(image)
        script = str(BUILDER_SOURCES / "facts.py")
        others = ["0", *map(str, found.more_venvs)]
        run = ["env", f"--chdir={found.build}", str(found.venv / "bin" / "python"), "-I", script, *others]
        return dict(
            json.loads(
                self.assembler.commands.run(run, Limit("BUILD_TIMEOUT", self.assembler.settings.build_timeout)) or "{}"
            )
        )

    def remove(self, image: str) -> bool:
        folder = self.folders.folder(image)
        if not folder.is_dir():
            return False
        if self.assembler.commands.dry_run:
            self.assembler.reporter.would(f"rm -r {folder}")
        else:
            shutil.rmtree(folder)
        return True

    def unused(self) -> dict[str, int]:
        used = {path for image in self.folders.every() for path in (*image.venvs, image.builder)}
        used |= {self.assembler.builder, *map(Path, self.containers.dependencies_in_use())}
        found = {path for folder in ("deps", "builders") for path in self.assembler.state.glob(f"{folder}/*")}
        return {str(self.assembler.short(path)): size_of(path) for path in sorted(found - used)}

    def removable(self, images: Iterable[str]) -> dict[str, int]:
        return {}  # it has nothing elsewhere

    def remove_unused(self, name: str) -> bool:
        shutil.rmtree(self.assembler.repository.root / name)
        return True

    def exported(self, image: str, image_id: str) -> ExportedImage:
        raise TrainyardError(
            f"{image} is a folder of the process engine, and no other machine can run it", "ENGINE=docker or podman"
        )

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        """Virtual environments are shared, and looked through once."""
        folders: dict[Path, list[str]] = {}
        for image in images:
            if found := self.folders.read(image):
                for folder in (found.build, *found.venvs):
                    folders.setdefault(folder, []).append(image)
        for folder, names in folders.items():
            for path in folder.rglob("*"):
                if path.is_symlink() or not path.is_file():
                    continue
                name = str(path.relative_to(folder))
                with open_regular(path) as file:
                    findings = look_through(name, file, look)
                if findings:
                    yield Stored(tuple(names), str(self.assembler.short(folder)), name, findings)
