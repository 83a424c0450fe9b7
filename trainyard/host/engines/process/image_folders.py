"""Images of the process engine as folders.

images/<image>/builds/<build>/       sources as assemble left them
images/<image>/builds/<build>.json   what that build is of
images/<image>/image.json            the same, of the build that counts
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.process.assembling import ProcessAssembler
from trainyard.host.engines.process.environment import STAMP, ProcessImage


@dataclass(frozen=True)
class ImageFolders:
    """The images that ``assembler`` has made."""

    assembler: ProcessAssembler

    @property
    def state(self) -> Path:
        return self.assembler.state

    def folder(self, image: str) -> Path:
        return self.state / "images" / image.replace("/", "%")

    def every(self) -> Iterator[ProcessImage]:
        """All images that are complete."""
        for path in self.state.glob("images/*/image.json"):
            if found := self.read(path.parent.name):
                yield found

    def read(self, image: str, image_id: str = "") -> ProcessImage | None:
        """None where there is no such image, or a part of it is gone. ``image_id``: that one of those of the name."""
        path = self.folder(image) / (f"builds/{image_id}.json" if image_id else "image.json")
        try:
            found = json.loads(path.read_text())
            build, venv, builder = (self.state / found[name] for name in ("build", "venv", "builder"))
            role, identity = str(found["role"]), str(found.get("identity", ""))
            labels = dict(found.get("labels", {}))
            more = tuple(self.state / name for name in found.get("more_venvs", ()))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        complete = build.is_dir() and builder.is_dir()
        complete = complete and all((one / STAMP).is_file() for one in (venv, *more))
        return ProcessImage(build, venv, builder, role, identity, labels, more) if complete else None

    def need(self, image: str, image_id: str = "", role: str = "predict") -> ProcessImage:
        """The same, where there has to be one; a dry run takes one of ``role``.

        Raises:
            TrainyardError: there is none.
        """
        if found := self.read(image, image_id):
            return found
        if self.assembler.commands.dry_run:
            return ProcessImage(self.state, self.state, self.assembler.builder, role)
        if image_id:
            raise TrainyardError(f"{image} was built again meanwhile", "start it once more", EXIT_FAILED)
        raise TrainyardError(f"no image {image} of the process engine", "build it: make build-train build-predict")

    def point_to(self, image: str, build: ProcessImage, used: Collection[str]) -> None:
        """From now on the image is ``build``; older builds go, but for those that are ``used``."""
        paths = {"build": build.build, "venv": build.venv, "builder": build.builder}
        # Relative, so that a monorepo that was moved finds its own.
        places = {name: str(path.relative_to(self.state)) for name, path in paths.items()}
        facts = {
            "role": build.role,
            "identity": build.identity,
            "labels": dict(build.labels),
            "more_venvs": [str(venv.relative_to(self.state)) for venv in build.more_venvs],
        }
        for path in (build.build.with_suffix(".json"), self.folder(image) / "image.json"):
            write_whole(path, json.dumps(places | facts, indent=2) + "\n")
        for other in build.build.parent.iterdir():
            if other.with_suffix("") == build.build or str(other.with_suffix("")) in used:
                continue
            shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)
