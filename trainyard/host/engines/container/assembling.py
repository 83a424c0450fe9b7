"""The s2i protocol over the command line of docker or podman: how a builder image and sources become an image.

Create a container of the builder image, put the sources in /tmp/src, run assemble, commit: what s2i itself does. Unlike
a Dockerfile it makes one layer, and it can mount caches and secrets with every version of either program.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from trainyard.contract.files import size_of
from trainyard.host.engines.base import Python
from trainyard.host.engines.build_errors import CAUSES
from trainyard.host.engines.container.cache import NAME, RegistryCache
from trainyard.host.engines.container.client_proxies import without_proxies
from trainyard.host.engines.container.leftovers import new_name, noted, removal, remove_leftovers
from trainyard.host.engines.machine import lock_folders
from trainyard.host.monorepo.repository import Repository
from trainyard.host.network.build_settings import settings_folder, volumes
from trainyard.host.support.command import Commands, Limit
from trainyard.host.support.context import Context
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter
from trainyard.settings.host import HostSettings

SCRIPTS = ". /opt/trainyard/common.sh; "  # what a Todo's command can be
CACHE_NAME = "trainyard-cache"
CACHE_VOLUME = f"{CACHE_NAME}:/var/cache/trainyard"
DOCKERFILE_ESCAPES = str.maketrans({letter: f"\\{letter}" for letter in '\\"$'})
NO_ESCAPES: dict[int, str] = {}
NO_IMAGE = re.compile("no such image|image not known", re.IGNORECASE)  # docker's words and podman's


@dataclass(frozen=True)
class Image:
    """An image that is here."""

    id: str
    config: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.config.get("Labels") or {}

    def is_named(self, name: str) -> bool:
        """Whether it was built under that name; a tag can be moved to any image."""
        return self.labels.get(NAME) == name


@dataclass(frozen=True)
class Todo:
    """What a container does to become an image. Only one that ``installs`` is given the settings of builds and the
    cache: a model's own code, which the check imports, learns no credentials."""

    command: str
    installs: bool = False
    network: bool = False


@dataclass(frozen=True)
class Assembler:
    """Makes images with the program ``name``."""

    name: str
    repository: Repository
    settings: HostSettings
    commands: Commands

    @property
    def reporter(self) -> Reporter:
        return self.commands.reporter

    @property
    def limit(self) -> Limit:
        return Limit("BUILD_TIMEOUT", self.settings.build_timeout)

    @cached_property
    def cache(self) -> RegistryCache:
        return RegistryCache(self.name, self.settings, self.commands)

    def locked(self, key: str, what: str, *, for_all: bool = False) -> AbstractContextManager[None]:
        """One build of ``what`` at a time; ``for_all``: of all clones on this machine."""
        if self.commands.dry_run:
            return nullcontext()
        folder, limit = lock_folders(self.repository)[for_all], Limit("LOCK_TIMEOUT", self.settings.lock_timeout)
        return locked(folder / f"{self.name}-{key}.lock", what, limit, self.reporter)

    def inspect(self, names: Iterable[str]) -> dict[str, Image]:
        """Those of ``names``, or ids, that are images here. One question, however many names: each costs the engine
        little, and its command line much.

        By their names: podman's listing of all fails where another process removes any of them meanwhile. Without a
        template: podman cannot fill it in where one of them is missing.
        """
        asked = sorted(set(names))
        if not asked:
            return {}
        found = self.commands.ask([self.name, "image", "inspect", *asked], unless=NO_IMAGE)
        images: dict[str, Image] = {}
        for inspected in json.loads(found or "[]"):
            image = Image(inspected["Id"], inspected["Config"])
            images[image.id] = image
            for tag in inspected["RepoTags"] or []:
                images[tag.removeprefix("localhost/").removesuffix(":latest")] = image
        return {name: images[name] for name in asked if name in images}

    def built(self, names: Iterable[str], others: Iterable[str] = ()) -> dict[str, Image]:
        """The same, but for images that were not built under their names: they are to be built. ``others`` may be."""
        named = set(names)
        found = self.inspect([*named, *others])
        foreign = sorted(name for name, image in found.items() if name in named and not image.is_named(name))
        for name in foreign:
            self.reporter.warn(f"{name} is not the image that was built under this name: it is built again")
        return {name: image for name, image in found.items() if name not in foreign}

    def image_id(self, image: str) -> str:
        """The id of an image; empty where there is none."""
        answer = self.commands.query([self.name, "image", "inspect", "--format", "{{.Id}}", image])
        return answer.stdout.strip() if answer else ""

    def build_dockerfile(self, folder: Path, image: str, arguments: dict[str, str], labels: dict[str, str]) -> None:
        """Build a builder image from its Dockerfile. Without the engine's cache: our names say what is known already,
        and podman's looks at images that another process may be removing.
        """
        options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        options += [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
        # Neither BuildKit nor buildx is needed; where the client defaults to them without having them, it fails.
        without_buildkit = {"DOCKER_BUILDKIT": "0"}
        self.commands.run(
            [self.name, "build", "--no-cache", "--network", "none", "--tag", image, *options, str(folder)],
            self.limit,
            env=self.commands.environment(without_buildkit),
        )

    def assemble(self, builder: str, image: str, context: Context, changes: Sequence[str], todo: Todo) -> str:
        """The s2i protocol: ``builder`` unpacks ``context``, does what there is ``todo`` with it, the result becomes
        ``image``; its id."""
        with self.assembled(builder, image, context, todo) as container:
            return self.commit(container, image, changes)

    @contextmanager
    def assembled(self, builder: str, image: str, context: Context, todo: Todo) -> Iterator[str]:
        """A container of ``builder`` in which what there was ``todo`` is done; it is removed afterwards.

        The sources come as a tar on standard input, as s2i sends them.
        """
        self.reporter.step(f"Building {image} on {builder} ...")
        with self._prepared(builder, context, todo) as (container, run, sources, environment):
            self.commands.stream(run, self.limit, stdin=sources, env=environment, causes=CAUSES)
            yield container

    def printed(self, image: str, context: Context, todo: Todo) -> str:
        """What is printed while a container of ``image`` does what there is ``todo`` with ``context``; nothing of it
        stays."""
        with self._prepared(image, context, todo) as (_, run, sources, environment):
            return self.commands.run(run, self.limit, stdin=sources, env=environment)

    @contextmanager
    def _prepared(
        self, builder: str, context: Context, todo: Todo
    ) -> Iterator[tuple[str, list[str], IO[bytes], Mapping[str, str] | None]]:
        """The name of a container that is removed in the end; and the command line, the standard input and the
        environment with which it is run."""
        container = new_name()
        options = ["--interactive", "--name", container, "--user", "0"]
        options += [] if todo.network else ["--network", "none"]
        script = f"tar -xf - -C /tmp && {todo.command}"
        with self._settings(todo) as (mounts, folders), tempfile.TemporaryFile() as sources:
            context.write_tar("src", sources)
            sources.seek(0)
            own, environment = without_proxies(self.name)
            # Not as an entrypoint: that would stay in the image.
            run = [self.name, "run", *options, *own, *mounts, builder, "/bin/bash", "-Eeuc", script]
            with self.noted(container, *folders):
                yield container, run, sources, environment

    def python(self, image: str) -> Python:
        """The one that an image installs packages for."""
        program = ["--entrypoint", "python3", image, "-c", Python.PROGRAM]
        return Python.parse(self.commands.ask([self.name, "run", "--rm", "--network", "none", *program]))

    def cache_volume(self) -> dict[str, int]:
        """The volume with what was downloaded for builds, where there is one, and its bytes, as far as we may look."""
        answer = self.commands.query([self.name, "volume", "inspect", "--format", "{{.Mountpoint}}", CACHE_NAME])
        return {CACHE_NAME: size_of(Path(answer.stdout.strip()))} if answer else {}

    @contextmanager
    def _settings(self, todo: Todo) -> Iterator[tuple[list[str], list[Path]]]:
        """The options that mount what installing needs, and the folders that are made for it."""
        if not todo.installs:
            yield [], []
            return
        with settings_folder(self.settings) as folder:
            mounted = [*volumes(self.settings, folder), CACHE_VOLUME]
            yield [part for volume in mounted for part in ("--volume", volume)], [folder]

    def assigned(self, word: str, values: Mapping[str, str]) -> list[str]:
        """Changes for ``commit`` that set each value of ``word`` (ENV or LABEL) as it is. docker reads them as a
        Dockerfile, in which variables are expanded; podman takes the outer quotes off, and no more."""
        special = NO_ESCAPES if self.name == "podman" else DOCKERFILE_ESCAPES
        return [f'{word} {key}="{value.translate(special)}"' for key, value in values.items()]

    def commit(self, container: str, image: str, changes: Sequence[str]) -> str:
        """What is in ``container`` becomes ``image``; its id, empty in a dry run."""
        edits = [part for change in changes for part in ("--change", change)]
        return self.commands.run([self.name, "commit", *edits, container, image], self.limit)

    def add(self, below: str, image: str, files: IO[bytes], folder: str, changes: Sequence[str]) -> str:
        """Put the files of a tar into ``folder`` of the image ``below``: ``image``; its id. Nothing is run, so nothing
        else can be in the layer."""
        with self.created(below) as container:
            self.commands.run(self.unpacking(container, folder), self.limit, stdin=files)
            return self.commit(container, image, changes)

    @contextmanager
    def created(self, image: str) -> Iterator[str]:
        """A container of ``image`` in which nothing is run; it is removed afterwards."""
        container = new_name()
        own, environment = without_proxies(self.name)
        with self.noted(container):
            self.commands.run([self.name, "create", "--name", container, *own, image], self.limit, env=environment)
            yield container

    def unpacking(self, container: str, folder: str) -> list[str]:
        """The command that unpacks a tar on its standard input."""
        # podman gives what is copied to the container's user, without an option; docker leaves it as it is in the tar.
        kept = ["--archive=false"] if self.name == "podman" else []
        return [self.name, "cp", *kept, "-", f"{container}:{folder}"]

    @contextmanager
    def noted(self, container: str, *folders: Path) -> Iterator[None]:
        """The block may make ``container``, which is removed in the end; should it not come to that, the next build
        removes it, and ``folders``."""
        if self.commands.dry_run:
            yield
            return
        self.remove_leftovers()
        with noted(self._notes, container, *folders, engine=self.name):
            yield

    def remove_leftovers(self) -> None:
        """What builds of this monorepo that were killed have left on this engine."""
        remove_leftovers(self._notes, self._remove_leftover, self.reporter)

    @property
    def _notes(self) -> Path:
        return self.repository.state / "containers" / self.name

    def _remove_leftover(self, container: str) -> bool:
        there = self.commands.query([self.name, "container", "inspect", "--format", "{{.Id}}", container])
        if there and self.commands.query(["sh", "-c", removal(self.name), container]) is None:
            by_hand = f"{self.name} rm --force {container}"
            self.reporter.warn(f"{self.name} could not remove the container {container}: {by_hand}")
        return bool(there)
