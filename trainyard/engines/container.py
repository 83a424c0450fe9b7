"""docker and podman: one class, driven through their command lines.

Building follows the s2i protocol (create a container of the builder image, put the sources in /tmp/src, run assemble,
commit) rather than a Dockerfile: it is what s2i itself does, it makes one layer, and it can mount caches and secrets
with every version of either program.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from trainyard import console
from trainyard.build_settings import FOLDER, settings_folder
from trainyard.builder_files import APP_ROOT
from trainyard.command import Commands, Limit
from trainyard.context import Context
from trainyard.engines import images, s2i
from trainyard.engines.base import BuildPlan, Mount, Running, RunPlan
from trainyard.errors import TrainyardError
from trainyard.locking import locked
from trainyard.repository import Repository
from trainyard.settings import HostSettings

CACHE_VOLUME = "trainyard-cache:/var/cache/trainyard"
ASSEMBLE = ("/usr/libexec/s2i/assemble",)
LABEL_MODEL = "trainyard.model"
LABEL_PORT = "trainyard.port"


@dataclass(frozen=True)
class ContainerEngine:
    """An engine whose command line is docker's."""

    name: str
    repository: Repository
    settings: HostSettings
    commands: Commands

    def unavailable(self) -> str:
        answer = self.commands.query([self.name, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"])
        if answer is None and self.name == "podman":  # which has no server to ask
            answer = self.commands.query([self.name, "info", "--format", "{{.Version.Version}}"])
        return "" if answer else f"{self.name} is not installed, or does not answer"

    # -- images -------------------------------------------------------------------------------------------------

    def ensure_builders(self) -> None:
        with self.locked("builders", "the builder images"):
            images.ensure_builders(self)

    def images(self) -> set[str]:
        answer = self.commands.query([self.name, "images", "--format", "{{.Repository}}:{{.Tag}}"])
        names = answer.stdout.split() if answer else []
        return {name.removeprefix("localhost/").removesuffix(":latest") for name in names}

    def build(self, plan: BuildPlan) -> None:
        self.ensure_builders()
        with self.locked(plan.image.replace("/", "_"), f"the image {plan.image}"):
            builder = images.ensure_dependencies(self, plan)
            if s2i.chosen(self.settings, self.name):
                s2i.build(self.commands, self._limit(), plan, builder)
            else:
                self.assemble(builder, plan.image, plan.context, images.changes(plan, builder), ASSEMBLE)

    def assemble(
        self, builder: str, image: str, context: Context, changes: Sequence[str], command: Sequence[str],
        *, network: bool = False,
    ) -> None:  # fmt: skip
        """The s2i protocol: ``builder`` runs ``command`` on ``context``, the result becomes ``image``."""
        console.step(f"Building {image} on {builder} ...")
        options = ["--user", "0", *([] if network else ["--network", "none"])]
        with settings_folder(self.settings) as folder:
            mounts = ["--volume", f"{folder}:{FOLDER}:ro", "--volume", CACHE_VOLUME]
            created = self.commands.run([self.name, "create", *options, *mounts, builder, *command], self._limit())
            container = created or "CONTAINER"
            try:
                self._copy(context, container)
                self.commands.stream([self.name, "start", "--attach", container], self._limit())
                edits = [part for change in changes for part in ("--change", change)]
                self.commands.run([self.name, "commit", *edits, container, image], self._limit())
            finally:
                # podman's rm waits ten seconds for a process that ignores signals, as the first of a container does.
                if not self.commands.dry_run:
                    self.commands.query([self.name, "kill", container])
                self.commands.run([self.name, "rm", "--force", container], self._limit())

    def _copy(self, context: Context, container: str) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(context.tar("src"))
            file.seek(0)
            self.commands.run([self.name, "cp", "-", f"{container}:/tmp"], self._limit(), stdin=file)

    def remove_image(self, image: str) -> bool:
        if image not in self.images():
            return False
        self.commands.run([self.name, "rmi", "--force", image], self._limit())
        return True

    # -- containers ---------------------------------------------------------------------------------------------

    def run(self, plan: RunPlan) -> int:
        return self._attached([self.name, "run", "--rm", "--name", plan.name, *self._options(plan), plan.image], plan)

    def shell(self, plan: RunPlan) -> int:
        command = ["run", "--rm", "-it", "--name", plan.name, *self._options(plan), "--entrypoint", "/bin/bash"]
        return self._attached([self.name, *command, plan.image], plan)

    def start(self, plan: RunPlan) -> None:
        self.stop(plan.name)  # what a crashed server of this name left behind
        self.commands.run(
            [self.name, "run", "--detach", "--name", plan.name, *self._options(plan), plan.image], self._limit()
        )

    def _attached(self, argv: list[str], plan: RunPlan) -> int:
        if self.commands.dry_run:
            self.commands.run(argv, self._limit())
            return 0
        process = subprocess.Popen(argv)
        try:
            return process.wait()
        except BaseException:
            self.stop(plan.name)
            process.wait()
            raise

    def _options(self, plan: RunPlan) -> list[str]:
        options = ["--label", f"{LABEL_MODEL}={plan.model}"]
        for key, value in sorted(plan.env.items()):
            options += ["--env", f"{key}={value}"]
        for mount in plan.mounts:
            options += ["--volume", self._volume(mount, APP_ROOT[plan.role])]
        if plan.port:
            options += ["--publish", f"{plan.bind}:{plan.port}:5000", "--label", f"{LABEL_PORT}={plan.port}"]
        return options + self._user(plan)

    def _volume(self, mount: Mount, root: str) -> str:
        if ":" in str(mount.source):
            raise TrainyardError(f"{mount.source}: {self.name} cannot mount a path with a colon", "rename the folder")
        return f"{mount.source}:{root}/{mount.target}{':ro' if mount.read_only else ''}"

    def _user(self, plan: RunPlan) -> list[str]:
        """Files in models/ shall belong to whoever calls; group 0 may read the application folder."""
        uid = os.getuid()
        if plan.role == "train" and uid == 0:
            return ["--env", "KEEP_USER=1"]
        # Rootless podman's root is the caller already; the daemon runs as 1001 where the caller is root.
        return [] if uid == 0 or self.name == "podman" else ["--user", f"{uid}:0"]

    def alive(self, name: str) -> bool:
        answer = self.commands.query([self.name, "container", "inspect", "--format", "{{.State.Running}}", name])
        return answer is not None and answer.stdout.strip() == "true"

    def stop(self, name: str) -> bool:
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", name]) is None:
            return False
        seconds = str(self.settings.stop_timeout)
        self.commands.query([self.name, "stop", "--time", seconds, name], seconds=self.settings.stop_timeout + 30)
        self.commands.query([self.name, "rm", "--force", name])
        return True

    def logs(self, name: str, follow: bool) -> None:
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", name]) is None:
            raise TrainyardError(f"no container {name} of {self.name}", "start it: make predict DETACH=1")
        subprocess.run([self.name, "logs", *(["--follow"] if follow else []), name], check=False)

    def last_lines(self, name: str, count: int) -> list[str]:
        done = subprocess.run(
            [self.name, "logs", "--tail", str(count), name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False, text=True, errors="replace",
        )  # fmt: skip
        return done.stdout.splitlines()

    def running(self) -> list[Running]:
        answer = self.commands.query(
            [self.name, "ps", "--filter", f"label={LABEL_PORT}", "--format", "{{.Names}}"], seconds=10
        )
        servers = [self._server(name) for name in answer.stdout.split()] if answer else []
        return [server for server in servers if server]

    def _server(self, name: str) -> Running | None:
        labels = f'{{{{index .Config.Labels "{LABEL_MODEL}"}}}} {{{{index .Config.Labels "{LABEL_PORT}"}}}}'
        answer = self.commands.query([self.name, "container", "inspect", "--format", labels, name])
        if answer is None:  # it ended since it was listed
            return None
        model, port = answer.stdout.split()
        return Running(name, model, int(port))

    # -- shared with engines.images -------------------------------------------------------------------------------

    def image_id(self, image: str) -> str:
        """The id of an image; empty where there is none."""
        answer = self.commands.query([self.name, "image", "inspect", "--format", "{{.Id}}", image])
        return answer.stdout.strip() if answer else ""

    def label(self, image: str, label: str) -> str:
        answer = self.commands.query(
            [self.name, "image", "inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', image]
        )
        return answer.stdout.strip() if answer else ""

    def docker_build(self, folder: Path, image: str, arguments: dict[str, str], labels: dict[str, str]) -> None:
        """Build a builder image from its Dockerfile."""
        options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        options += [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
        # Neither BuildKit nor buildx is needed; where the client defaults to them without having them, it fails.
        without_buildkit = {"DOCKER_BUILDKIT": "0"}
        self.commands.run(
            [self.name, "build", "--network", "none", "--tag", image, *options, str(folder)],
            self._limit(),
            env=without_buildkit,
        )

    def _limit(self) -> Limit:
        return Limit("BUILD_TIMEOUT", self.settings.build_timeout)

    def locked(self, key: str, what: str) -> AbstractContextManager[None]:
        """One build of ``what`` at a time."""
        path = self.repository.state / "locks" / f"{self.name}-{key}.lock"
        return locked(path, what, self.settings.lock_timeout)
