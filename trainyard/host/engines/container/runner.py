"""How docker and podman run containers."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.engines.base import Mount, Running, RunPlan
from trainyard.host.engines.container.clones import Clone
from trainyard.host.engines.container.confining import confinement
from trainyard.host.engines.container_output import Conversation, attached
from trainyard.host.support.command import Commands, Limit
from trainyard.settings.host import SECRETS, HostSettings

LABEL_MODEL = "trainyard.model"
LABEL_PORT = "trainyard.port"
LABEL_ROOT = "trainyard.root"
LABEL_NAME = "trainyard.container"  # as make names it
_OF_SERVERS = (LABEL_MODEL, LABEL_PORT, LABEL_NAME, LABEL_ROOT)
RUN = "/usr/libexec/s2i/run"
_ANSWER = 20  # seconds that the engine may take to say how large containers are


@dataclass(frozen=True)
class ContainerRunner:
    """Runs the containers of a clone, whose folder is ``root``, with the program ``name``."""

    name: str
    root: Path
    settings: HostSettings
    commands: Commands
    clone: Clone

    @property
    def _limit(self) -> Limit:
        return Limit("BUILD_TIMEOUT", self.settings.build_timeout)

    def run(self, plan: RunPlan) -> int:
        return self._attached(self._run(plan), plan)

    def converse(self, plan: RunPlan) -> Conversation:
        program = attached(self._run(plan, "--interactive"), plan.output, apart=True)
        return Conversation(program, lambda: self.stop(plan.name))

    def _run(self, plan: RunPlan, *options: str) -> list[str]:
        script = [RUN, *plan.arguments] if plan.arguments else []
        options = ("--rm", *options, *self._options(plan))
        return [self.name, "run", *options, self._image(plan), *script]

    def _image(self, plan: RunPlan) -> str:
        """What is shown is for people; what is run is the image that was found, wherever its name leads now."""
        return plan.image if self.commands.dry_run else plan.image_id or plan.image

    def shell(self, plan: RunPlan) -> int:
        command = ["run", "--rm", "-it", *self._options(plan), "--entrypoint", "/bin/bash"]
        return self._attached([self.name, *command, self._image(plan)], plan)

    def start(self, plan: RunPlan) -> None:
        if not self.commands.dry_run:
            # What a crashed server of this name left behind.
            self.commands.query([self.name, "rm", self.clone.container(plan.name)])
        run = [self.name, "run", "--detach", *self._options(plan), self._image(plan)]
        self.commands.run(run, self._limit)

    def _attached(self, argv: list[str], plan: RunPlan) -> int:
        if self.commands.dry_run:
            self.commands.run(argv, self._limit)
            return 0
        program = attached(argv, plan.output)
        try:
            return program.wait()
        except BaseException:
            self.stop(plan.name)
            program.wait()
            raise

    def _options(self, plan: RunPlan) -> list[str]:
        options = ["--name", self.clone.container(plan.name)]
        labels = {LABEL_NAME: plan.name, LABEL_MODEL: plan.model, LABEL_ROOT: str(self.root)}
        for key, value in labels.items():
            options += ["--label", f"{key}={value}"]
        for key, value in sorted(plan.env.items()):
            options += ["--env", key if key in SECRETS else f"{key}={value}"]
        for mount in plan.mounts:
            options += ["--volume", self._volume(mount, APP_ROOT[plan.role])]
        if plan.network != "own":
            options += ["--network", plan.network]
        if plan.port:
            options += ["--publish", f"{plan.bind}:{plan.port}:5000", "--label", f"{LABEL_PORT}={plan.port}"]
        options += confinement(self.name, plan, self.settings, self.commands)
        return options + self._user(plan)

    def _volume(self, mount: Mount, root: str) -> str:
        if ":" in str(mount.folder):
            raise TrainyardError(f"{mount.folder}: {self.name} cannot mount a path with a colon", "rename the folder")
        return f"{mount.folder}:{root}/{mount.target}{':ro' if mount.read_only else ''}"

    def _user(self, plan: RunPlan) -> list[str]:
        """Files in models/ shall belong to whoever calls; group 0 may read the application folder."""
        uid = os.getuid()
        if plan.role == "train" and uid == 0:
            return ["--env", "KEEP_USER=1"]
        # Rootless podman's root is the caller already; the daemon runs as 1001 where the caller is root.
        return [] if uid == 0 or self.name == "podman" else ["--user", f"{uid}:0"]

    def alive(self, name: str) -> bool:
        name = self.clone.container(name)
        answer = self.commands.query([self.name, "container", "inspect", "--format", "{{.State.Running}}", name])
        return answer is not None and answer.stdout.strip() == "true"

    def stop(self, name: str) -> bool:
        name = self.clone.container(name)
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", name]) is None:
            return False
        limit = Limit("STOP_TIMEOUT", self.settings.stop_timeout + 30)
        self.commands.run([self.name, "stop", "--time", str(self.settings.stop_timeout), name], limit, check=False)
        self.commands.run([self.name, "rm", "--force", name], limit, check=False)  # `run --rm` may have been faster
        return True

    def logs(self, name: str, follow: bool) -> None:
        own = self.clone.container(name)
        argv = [self.name, "logs", *(["--follow"] if follow else []), own]
        if self.commands.dry_run:
            self.commands.run(argv, self._limit)
            return
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", own]) is None:
            raise TrainyardError(f"no container {name} of {self.name}", "start it: make predict DETACH=1")
        subprocess.run(argv, check=False)

    def last_lines(self, name: str, count: int) -> list[str]:
        argv = [self.name, "logs", "--tail", str(count), self.clone.container(name)]
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, errors="replace"
        )
        return done.stdout.splitlines()

    def written(self) -> int:
        listed = self.commands.query(
            [self.name, "ps", "--quiet", "--filter", f"label={LABEL_ROOT}={self.root}"], seconds=_ANSWER
        )
        if not listed or not (ids := listed.stdout.split()):
            return 0
        inspect = [self.name, "container", "inspect", "--size", "--format", "{{.SizeRw}}", *ids]
        sizes = self.commands.query(inspect, seconds=_ANSWER)  # of none where one has just ended
        return sum(int(size) for size in sizes.stdout.split() if size.isdigit()) if sizes else 0

    def running(self) -> list[Running]:
        answer = self.commands.query(
            [self.name, "ps", "--filter", f"label={LABEL_PORT}", "--format", "{{.Names}}"], seconds=10
        )
        servers = [self._server(name) for name in answer.stdout.split()] if answer else []
        return [server for server in servers if server]

    def _server(self, name: str) -> Running | None:
        labels = " ".join(f'{{{{index .Config.Labels "{label}"}}}}' for label in _OF_SERVERS)
        answer = self.commands.query([self.name, "container", "inspect", "--format", labels, name])
        if answer is None:  # it ended since it was listed
            return None
        model, port, own, root = answer.stdout.strip().split(" ", 3)
        return Running(own or name, model, int(port), root)
