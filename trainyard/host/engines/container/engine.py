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

from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import LABEL_BAKED
from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.engines.base import DAMAGED, BuildPlan, BuiltImage, Mount, Python, Running, RunPlan, Stored
from trainyard.host.engines.container import bake_layer as baking
from trainyard.host.engines.container import images, resolving, s2i
from trainyard.host.engines.container.archive import search_saved
from trainyard.host.engines.container.assembling import CACHE_NAME, Assembler, Image, Todo
from trainyard.host.engines.container.base_images import IDENTITY, Base, known_bases
from trainyard.host.engines.container.clones import LABEL_CLONE, Clone
from trainyard.host.engines.container.confining import confinement
from trainyard.host.engines.container.leftovers import remove_image_later
from trainyard.host.engines.container.unused import images_to_remove, unused_images
from trainyard.host.engines.container_output import Conversation, attached
from trainyard.host.monorepo.repository import Repository
from trainyard.host.requirements.install_target import Target
from trainyard.host.secrets.leaks import Look
from trainyard.host.support import console
from trainyard.host.support.command import Commands, Limit
from trainyard.host.support.digests import digest_of
from trainyard.settings.host import SECRETS, HostSettings

LABEL_MODEL = "trainyard.model"
LABEL_PORT = "trainyard.port"
LABEL_ROOT = "trainyard.root"
LABEL_NAME = "trainyard.container"  # as make names it
ASSEMBLE = Todo("/usr/libexec/s2i/assemble")
_OF_SERVERS = (LABEL_MODEL, LABEL_PORT, LABEL_NAME, LABEL_ROOT)
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

    @cached_property
    def _clone(self) -> Clone:
        return Clone(self._assembler)

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
        with self._assembler.locked("builders", "the builder images", for_all=True):
            base = images.ensure_builders(self._assembler)
        self.__dict__.pop("_builders_here")  # it was asked before
        return base

    def built(self, names: Iterable[str]) -> dict[str, str]:
        return {name: own.image.labels.get(IDENTITY, "") for name, own in self._clone.images(names).items()}

    def find(self, image: str) -> BuiltImage | None:
        own = self._clone.images([image]).get(image)
        if own is None:
            return None
        return BuiltImage(own.image.id, own.image.labels.get(IDENTITY, ""), own.image.labels)

    def facts(self, image: str) -> dict[str, Any]:
        script = (self.repository.package / "builders" / "facts.py").read_text()
        run = [self.name, "run", "--rm", "--network", "none", "--entrypoint", "/opt/venv/bin/python"]
        found = self.find(image)
        run += [found.id if found else image, "-c", script, "1"]
        return dict(json.loads(self.commands.run(run, self._assembler.limit) or "{}"))

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
        there = self._clone.images([plan.image, builder])
        own = there.get(plan.image)
        if own and own.image.labels.get(IDENTITY) == identity and not self.settings.force:
            self._clone.name_again(plan.image, own)
            return False
        labels = {IDENTITY: identity, LABEL_CLONE: self._clone.mark, **plan.labels}
        if plan.baked:
            sources = baking.without_binaries(plan)
            self._build(base, sources)
            below = self._clone.images([sources.image]).get(sources.image)
            built = baking.bake(assembler, plan, labels, below.image.id if below else sources.image)
        else:
            if builder not in there or not there[builder].image.is_named(builder):
                images.ensure_dependencies(assembler, base, plan)
            built = self._build_again_if_damaged(base, builder, plan, labels)
        self._clone.built(plan.image, built)
        # Another identity is another label, so another image; only FORCE=1 may have made the same one again.
        if own and own.image.id != built:
            self._remove_replaced(own.image, plan)
        return True

    def _build_again_if_damaged(self, base: Base, builder: str, plan: BuildPlan, labels: Mapping[str, str]) -> str:
        try:
            return self._build_sources(builder, plan, labels)
        except TrainyardError as error:
            if DAMAGED not in error.message:
                raise
            console.warn(f"{builder}: {error.message}; it is made anew")
        images.ensure_dependencies(self._assembler, base, plan, anew=True)
        return self._build_sources(builder, plan, labels)

    def _remove_replaced(self, replaced: Image, plan: BuildPlan) -> None:
        if self.commands.dry_run:
            return
        remove_image_later(self.name, replaced.id)
        if LABEL_BAKED in replaced.labels and not plan.baked:
            self._clone.remove(baking.sources_image(plan.image))

    def _build_sources(self, builder: str, plan: BuildPlan, labels: Mapping[str, str]) -> str:
        """The id of the image."""
        for remark in plan.context.remarks():
            console.step(remark)
        if s2i.chosen(self.settings, self.name):
            s2i.build(self.commands, self._assembler.limit, plan, builder, labels)
            return "" if self.commands.dry_run else self._assembler.image_id(plan.image)
        changes = images.changes(self._assembler, plan, builder, labels)
        return self._assembler.assemble(builder, plan.image, plan.context, changes, ASSEMBLE)

    def remove_image(self, image: str) -> bool:
        removed = self._clone.remove(image)
        self._clone.remove(baking.sources_image(image))
        return removed

    def remove_leftovers(self) -> None:
        self._assembler.remove_leftovers()

    def unused(self) -> dict[str, int]:
        return unused_images(self._assembler)

    def removable(self, images: Iterable[str]) -> dict[str, int]:
        names = [name for image in images for name in (image, baking.sources_image(image))]
        own = {own.image.id: name for name, own in self._clone.images(names).items()}
        return {**images_to_remove(self._assembler, own), **self._assembler.cache_volume()}

    def remove_unused(self, name: str) -> bool:
        what = ["volume", "rm"] if name == CACHE_NAME else ["rmi"]
        return self.commands.query([self.name, *what, name]) is not None  # refused where a container uses it

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        several = ["--multi-image-archive"] if self.name == "podman" else []
        return search_saved([self.name, "save", *several, *images], look)

    def python(self) -> Python:
        return self._assembler.python(self._ensure_builders().name)

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
            self.commands.query([self.name, "rm", self._clone.container(plan.name)])
        run = [self.name, "run", "--detach", *self._options(plan), self._image(plan)]
        self.commands.run(run, self._assembler.limit)

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
        options = ["--name", self._clone.container(plan.name)]
        labels = {LABEL_NAME: plan.name, LABEL_MODEL: plan.model, LABEL_ROOT: str(self.repository.root)}
        for key, value in labels.items():
            options += ["--label", f"{key}={value}"]
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
        name = self._clone.container(name)
        answer = self.commands.query([self.name, "container", "inspect", "--format", "{{.State.Running}}", name])
        return answer is not None and answer.stdout.strip() == "true"

    def stop(self, name: str) -> bool:
        name = self._clone.container(name)
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", name]) is None:
            return False
        limit = Limit("STOP_TIMEOUT", self.settings.stop_timeout + 30)
        self.commands.run([self.name, "stop", "--time", str(self.settings.stop_timeout), name], limit, check=False)
        self.commands.run([self.name, "rm", "--force", name], limit, check=False)  # `run --rm` may have been faster
        return True

    def logs(self, name: str, follow: bool) -> None:
        own = self._clone.container(name)
        argv = [self.name, "logs", *(["--follow"] if follow else []), own]
        if self.commands.dry_run:
            self.commands.run(argv, self._assembler.limit)
            return
        if self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", own]) is None:
            raise TrainyardError(f"no container {name} of {self.name}", "start it: make predict DETACH=1")
        subprocess.run(argv, check=False)

    def last_lines(self, name: str, count: int) -> list[str]:
        argv = [self.name, "logs", "--tail", str(count), self._clone.container(name)]
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, errors="replace"
        )
        return done.stdout.splitlines()

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
