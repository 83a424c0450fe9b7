"""The s2i protocol over the command line of docker or podman: how a builder image and sources become an image.

Create a container of the builder image, put the sources in /tmp/src, run assemble, commit: what s2i itself does. Unlike
a Dockerfile it makes one layer, and it can mount caches and secrets with every version of either program.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from trainyard import console
from trainyard.build_settings import FOLDER, settings_folder
from trainyard.command import Commands, Limit
from trainyard.context import Context
from trainyard.locking import locked
from trainyard.repository import Repository
from trainyard.settings import HostSettings

CACHE_VOLUME = "trainyard-cache:/var/cache/trainyard"
ASSEMBLE = ("/usr/libexec/s2i/assemble",)


@dataclass(frozen=True)
class Assembler:
    """Makes images with the program ``name``."""

    name: str
    repository: Repository
    settings: HostSettings
    commands: Commands

    @property
    def limit(self) -> Limit:
        return Limit("BUILD_TIMEOUT", self.settings.build_timeout)

    def locked(self, key: str, what: str) -> AbstractContextManager[None]:
        """One build of ``what`` at a time."""
        path = self.repository.state / "locks" / f"{self.name}-{key}.lock"
        return locked(path, what, self.settings.lock_timeout)

    def image_id(self, image: str) -> str:
        """The id of an image; empty where there is none."""
        answer = self.commands.query([self.name, "image", "inspect", "--format", "{{.Id}}", image])
        return answer.stdout.strip() if answer else ""

    def label(self, image: str, label: str) -> str:
        answer = self.commands.query(
            [self.name, "image", "inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', image]
        )
        return answer.stdout.strip() if answer else ""

    def build_dockerfile(self, folder: Path, image: str, arguments: dict[str, str], labels: dict[str, str]) -> None:
        """Build a builder image from its Dockerfile."""
        options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        options += [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
        # Neither BuildKit nor buildx is needed; where the client defaults to them without having them, it fails.
        without_buildkit = {"DOCKER_BUILDKIT": "0"}
        self.commands.run(
            [self.name, "build", "--network", "none", "--tag", image, *options, str(folder)],
            self.limit,
            env=without_buildkit,
        )

    def assemble(
        self, builder: str, image: str, context: Context, changes: Sequence[str], command: Sequence[str],
        *, network: bool = False,
    ) -> None:  # fmt: skip
        """The s2i protocol: ``builder`` runs ``command`` on ``context``, the result becomes ``image``."""
        console.step(f"Building {image} on {builder} ...")
        options = ["--user", "0", *([] if network else ["--network", "none"])]
        with settings_folder(self.settings) as folder:
            mounts = ["--volume", f"{folder}:{FOLDER}:ro", "--volume", CACHE_VOLUME]
            created = self.commands.run([self.name, "create", *options, *mounts, builder, *command], self.limit)
            container = created or "CONTAINER"
            try:
                self._copy(context, container)
                self.commands.stream([self.name, "start", "--attach", container], self.limit)
                edits = [part for change in changes for part in ("--change", change)]
                self.commands.run([self.name, "commit", *edits, container, image], self.limit)
            finally:
                # podman's rm waits ten seconds for a process that ignores signals, as the first of a container does.
                if not self.commands.dry_run:
                    self.commands.query([self.name, "kill", container])
                self.commands.run([self.name, "rm", "--force", container], self.limit)

    def _copy(self, context: Context, container: str) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(context.tar("src"))
            file.seek(0)
            self.commands.run([self.name, "cp", "-", f"{container}:/tmp"], self.limit, stdin=file)
