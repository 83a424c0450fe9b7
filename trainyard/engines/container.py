"""docker and podman: one class, driven through their command lines.

How they build is in engines.assembling, what they build on in engines.images.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainyard import console
from trainyard.builder_files import APP_ROOT
from trainyard.command import Commands, Limit
from trainyard.digests import digest_of
from trainyard.engines import baking, images, resolving, s2i
from trainyard.engines.archive import search_saved
from trainyard.engines.assembling import Assembler, Image, Todo
from trainyard.engines.base import DAMAGED, LABEL_BAKED, BuildPlan, BuiltImage, Mount, Python, Running, RunPlan, Stored
from trainyard.engines.bases import IDENTITY, Base, known_bases
from trainyard.engines.confining import confinement
from trainyard.engines.leftovers import remove_image_later
from trainyard.engines.relay import Conversation, attached
from trainyard.engines.unused import unused_images
from trainyard.errors import TrainyardError
from trainyard.leaks import Look
from trainyard.repository import Repository
from trainyard.requirements.targets import Target
from trainyard.settings import SECRETS, HostSettings

LABEL_MODEL = "trainyard.model"
LABEL_PORT = "trainyard.port"
LABEL_ROOT = "trainyard.root"  # two clones may share one engine
ASSEMBLE = Todo("/usr/libexec/s2i/assemble")
RUN = "/usr/libexec/s2i/run"


@dataclass(frozen=True)
class ContainerEngine:
    """An engine whose command line is docker's."""

    name: str
    repository: Repository
    settings: HostSettings
    commands: Commands

    @cached_property
    def _assembler(self) -> Assembler:
        return Assembler(self.name, self.repository, self.settings, self.commands)

    def unavailable(self) -> str:
        try:
            _ = self._builders_here  # cheap, it needs the engine to work, and what builds has to know it anyway
        except TrainyardError:
            return f"{self.name} is not installed, or does not answer"
        return ""

    # -- images -------------------------------------------------------------------------------------------------

    def ensure_builders(self) -> None:
        self._ensure_builders()

    @cached_property
    def _builders_here(self) -> dict[str, Image]:
        return images.found_builders(self._assembler)

    def _ensure_builders(self) -> Base:
        if base := images.builders_here(self._assembler, self._builders_here):
            return base
        with self._assembler.locked("builders", "the builder images"):
            base = images.ensure_builders(self._assembler)
        self.__dict__.pop("_builders_here")  # it was asked before
        return base

    def built(self, names: Iterable[str]) -> dict[str, str]:
        found = self._assembler.inspect(names)
        return {name: image.labels.get(IDENTITY, "") for name, image in found.items()}

    def find(self, image: str) -> BuiltImage | None:
        found = self._assembler.inspect([image]).get(image)
        return BuiltImage(found.id, found.labels.get(IDENTITY, ""), found.labels) if found else None

    def facts(self, image: str) -> dict[str, Any]:
        script = (self.repository.package / "builders" / "facts.py").read_text()
        run = [self.name, "run", "--rm", "--network", "none", "--entrypoint", "/opt/venv/bin/python"]
        return dict(json.loads(self.commands.run([*run, image, "-c", script, "1"], self._assembler.limit) or "{}"))

    def identity(self, plan: BuildPlan) -> str:
        return self._identity(self._base, plan) if self._base else ""

    @property
    def _base(self) -> Base | None:
        return known_bases(self._assembler, self._builders_here)

    def _identity(self, base: Base, plan: BuildPlan) -> str:
        return digest_of(images.builder_image(self._assembler, base, plan), plan.contents)

    def build(self, plan: BuildPlan) -> bool:
        base = self._ensure_builders()
        with self._assembler.locked(plan.image.replace("/", "_"), f"the image {plan.image}"):
            return self._build(base, plan)

    def _build(self, base: Base, plan: BuildPlan) -> bool:
        assembler = self._assembler
        identity = self._identity(base, plan)
        builder = images.builder_image(assembler, base, plan)
        there = assembler.inspect([plan.image, builder])
        replaced = there.get(plan.image)
        if replaced and replaced.labels.get(IDENTITY) == identity and not self.settings.force:
            return False
        labels = {IDENTITY: identity, **plan.labels}
        if plan.baked:
            self._build(base, baking.without_binaries(plan))
            baking.bake(assembler, plan, labels)
        else:
            if builder not in there or not there[builder].is_named(builder):
                images.ensure_dependencies(assembler, base, plan)
            try:
                self._build_sources(builder, plan, labels)
            except TrainyardError as error:
                if DAMAGED not in error.message:
                    raise
                console.warn(f"{builder}: {error.message}; it is made anew")
                images.ensure_dependencies(assembler, base, plan, anew=True)
                self._build_sources(builder, plan, labels)
        # Another identity is another label, so another image; only FORCE=1 may have made the same one again.
        if replaced and (replaced.labels.get(IDENTITY) != identity or replaced.id != assembler.image_id(plan.image)):
            self._remove_replaced(replaced, plan)
        return True

    def _remove_replaced(self, replaced: Image, plan: BuildPlan) -> None:
        if self.commands.dry_run:
            return
        remove_image_later(self.name, replaced.id)
        if LABEL_BAKED in replaced.labels and not plan.baked:
            self.commands.query([self.name, "rmi", baking.sources_image(plan.image)])

    def _build_sources(self, builder: str, plan: BuildPlan, labels: Mapping[str, str]) -> None:
        for remark in plan.context.remarks():
            console.step(remark)
        if s2i.chosen(self.settings, self.name):
            s2i.build(self.commands, self._assembler.limit, plan, builder, labels)
        else:
            changes = images.changes(self._assembler, plan, builder, labels)
            self._assembler.assemble(builder, plan.image, plan.context, changes, ASSEMBLE)

    def remove_image(self, image: str) -> bool:
        found = self._assembler.inspect([image, baking.sources_image(image)])
        for name in found:
            self.commands.run([self.name, "rmi", "--force", name], self._assembler.limit)
        return image in found

    def remove_leftovers(self) -> None:
        self._assembler.remove_leftovers()

    def unused(self) -> dict[str, int]:
        return unused_images(self._assembler)

    def remove_unused(self, name: str) -> bool:
        return self.commands.query([self.name, "rmi", name]) is not None  # refused where a container uses it

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        several = ["--multi-image-archive"] if self.name == "podman" else []
        return search_saved([self.name, "save", *several, *images], look)

    def python(self) -> Python:
        base = self._ensure_builders().name
        program = ["--entrypoint", "python3", base, "-c", Python.PROGRAM]
        return Python.parse(self.commands.ask([self.name, "run", "--rm", "--network", "none", *program]))

    def target(self) -> Target:
        here = self._base and not self.commands.dry_run
        return resolving.target_of(self.python() if here else resolving.expected_python(self.settings))

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        return resolving.compile_in_container(self._assembler, self._ensure_builders().name, arguments, folder)

    # -- containers ---------------------------------------------------------------------------------------------

    def run(self, plan: RunPlan) -> int:
        return self._attached(self._run(plan), plan)

    def converse(self, plan: RunPlan) -> Conversation:
        program = attached(self._run(plan, "--interactive"), plan.output, apart=True)
        return Conversation(program, lambda: self.stop(plan.name))

    def _run(self, plan: RunPlan, *options: str) -> list[str]:
        script = [RUN, *plan.arguments] if plan.arguments else []
        options = ("--rm", *options, "--name", plan.name, *self._options(plan))
        return [self.name, "run", *options, plan.image_id or plan.image, *script]

    def shell(self, plan: RunPlan) -> int:
        command = ["run", "--rm", "-it", "--name", plan.name, *self._options(plan), "--entrypoint", "/bin/bash"]
        return self._attached([self.name, *command, plan.image], plan)

    def start(self, plan: RunPlan) -> None:
        if not self.commands.dry_run:
            self.commands.query([self.name, "rm", plan.name])  # what a crashed server of this name left behind
        self.commands.run(
            [self.name, "run", "--detach", "--name", plan.name, *self._options(plan), plan.image], self._assembler.limit
        )

    def _attached(self, argv: list[str], plan: RunPlan) -> int:
        if self.commands.dry_run:
            self.commands.run(argv, self._assembler.limit)
            return 0
        program = attached(argv, plan.output)
        try:
            return program.wait()
        except BaseException:
            self.stop(plan.name)
            program.wait()
            raise

    def _options(self, plan: RunPlan) -> list[str]:
        options = ["--label", f"{LABEL_MODEL}={plan.model}", "--label", f"{LABEL_ROOT}={self.repository.root}"]
        for key, value in sorted(plan.env.items()):
            options += ["--env", key if key in SECRETS else f"{key}={value}"]
        for mount in plan.mounts:
            options += ["--volume", self._volume(mount, APP_ROOT[plan.role])]
        if plan.host_network:
            options += ["--network", "host"]
        if plan.port:
            options += ["--publish", f"{plan.bind}:{plan.port}:5000", "--label", f"{LABEL_PORT}={plan.port}"]
        options += confinement(self.name, plan, self.settings, self.commands)
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
        limit = Limit("STOP_TIMEOUT", self.settings.stop_timeout + 30)
        self.commands.run([self.name, "stop", "--time", str(self.settings.stop_timeout), name], limit, check=False)
        self.commands.run([self.name, "rm", "--force", name], limit, check=False)  # `run --rm` may have been faster
        return True

    def logs(self, name: str, follow: bool) -> None:
        argv = [self.name, "logs", *(["--follow"] if follow else []), name]
        if self.commands.dry_run:
            self.commands.run(argv, self._assembler.limit)
            return
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", name]) is None:
            raise TrainyardError(f"no container {name} of {self.name}", "start it: make predict DETACH=1")
        subprocess.run(argv, check=False)

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
        labels = " ".join(f'{{{{index .Config.Labels "{label}"}}}}' for label in (LABEL_MODEL, LABEL_PORT, LABEL_ROOT))
        answer = self.commands.query([self.name, "container", "inspect", "--format", labels, name])
        if answer is None:  # it ended since it was listed
            return None
        model, port, root = answer.stdout.strip().split(" ", 2)
        return Running(name, model, int(port), root)
