"""The embedded engine: folders for images, child processes for containers. No root, no daemon, nothing to install.

Everything is below ``.trainyard/process``:

    builders/, deps/                        see engines.process_assembling
    images/<image>/{image.json,builds/}     sources as assemble left them, <build>/ and <build>.json; image.json is that
                                            of the build that counts
    containers/<name>/                      see engines.process_containers
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainyard.contract.files import open_regular, size_of, write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.build.baked_files import write_files
from trainyard.host.engines.base import DAMAGED, BuildPlan, BuiltImage, Python, Running, RunPlan, Stored
from trainyard.host.engines.container_output import Conversation
from trainyard.host.engines.process.assembling import ProcessAssembler
from trainyard.host.engines.process.containers import Containers
from trainyard.host.engines.process.environment import ProcessImage
from trainyard.host.monorepo.repository import Repository
from trainyard.host.network.build_settings import index_options
from trainyard.host.requirements.compiling import run_uv
from trainyard.host.requirements.install_target import Target
from trainyard.host.secrets.leaks import Look, look_through
from trainyard.host.support import console
from trainyard.host.support.command import Commands, Limit
from trainyard.host.support.context import Context, make_context
from trainyard.host.support.digests import digest_of
from trainyard.settings.host import HostSettings


@dataclass(frozen=True)
class ProcessEngine:
    """Images are folders, containers are child processes."""

    name: str
    repository: Repository
    settings: HostSettings
    commands: Commands

    @property
    def _state(self) -> Path:
        return self.repository.state / "process"

    @cached_property
    def _containers(self) -> Containers:
        return Containers(
            self._state / "containers", str(self.repository.root), self.settings.stop_timeout, self.commands.dry_run
        )

    @cached_property
    def _assembler(self) -> ProcessAssembler:
        return ProcessAssembler(self._state, self.repository, self.settings, self.commands)

    def unavailable(self) -> str:
        return "" if shutil.which("bash") else "process needs bash, which is not on PATH"

    # -- images -------------------------------------------------------------------------------------------------

    def ensure_builders(self) -> None:
        self._assembler.ensure_builders()

    def built(self, names: Iterable[str]) -> dict[str, str]:
        found = {name: self._read_image(name) for name in names}
        return {name: image.identity for name, image in found.items() if image}

    def find(self, image: str) -> BuiltImage | None:
        found = self._read_image(image)
        return BuiltImage(found.build.name, found.identity, found.labels) if found else None

    def facts(self, image: str) -> dict[str, Any]:
        found = self._need_image(image)
        script = str(self.repository.package / "builders" / "facts.py")
        others = ["0", *map(str, found.more_venvs)]
        run = ["env", f"--chdir={found.build}", str(found.venv / "bin" / "python"), "-I", script, *others]
        return dict(json.loads(self.commands.run(run, Limit("BUILD_TIMEOUT", self.settings.build_timeout)) or "{}"))

    def identity(self, plan: BuildPlan) -> str:
        return digest_of(
            self._assembler.builder.name, *(venv.name for venv in self._assembler.venvs(plan)), plan.contents
        )

    def build(self, plan: BuildPlan) -> bool:
        self._assembler.ensure_builders()
        if self.settings.runtime_image:
            console.warn("RUNTIME_IMAGE means nothing to the process engine: it installs for this machine's own Python")
        if plan.setup:
            console.warn(f"setup.sh of {plan.image} is not run: the process engine leaves the host as it is")
        context = make_context(file for file in plan.context.files if str(file.path) != "setup.sh")
        with self._assembler.locked(plan.image.replace("/", "%"), f"the image {plan.image}"):
            if self.built([plan.image]).get(plan.image) == self.identity(plan) and not self.settings.force:
                return False
            venvs = self._assembler.ensure_dependencies(plan)
            console.step(f"Building {plan.image} in {self._short(self._image(plan.image))} ...")
            for remark in plan.context.remarks():
                console.step(remark)
            build = self._image(plan.image) / "builds" / f"{time.time_ns():x}"
            try:
                self._assemble(context, plan, venvs, build)
                if not self.commands.dry_run:
                    write_files(plan.baked, build / "models")
                    self._point_to(plan, build, venvs)
            except BaseException:
                shutil.rmtree(build, ignore_errors=True)
                raise
        return True

    def _assemble(self, context: Context, plan: BuildPlan, venvs: list[Path], build: Path) -> None:
        try:
            self._assembler.assemble(context, plan.role, venvs, build)
        except TrainyardError as error:
            if DAMAGED not in error.message:
                raise
            console.warn(f"{error.message}; it is made anew")
            shutil.rmtree(build, ignore_errors=True)
            self._assembler.ensure_dependencies(plan, anew=True)
            self._assembler.assemble(context, plan.role, venvs, build)

    def _point_to(self, plan: BuildPlan, build: Path, venvs: list[Path]) -> None:
        """From now on the image is ``build``; older builds go, but for those that a running container uses."""
        paths = {"build": build, "venv": venvs[0], "builder": self._assembler.builder}
        # Relative, so that a monorepo that was moved finds its own.
        image = {name: str(path.relative_to(self._state)) for name, path in paths.items()}
        more = [str(venv.relative_to(self._state)) for venv in venvs[1:]]
        facts = {"role": plan.role, "identity": self.identity(plan), "labels": dict(plan.labels), "more_venvs": more}
        for path in (build.with_suffix(".json"), self._image(plan.image) / "image.json"):
            write_whole(path, json.dumps(image | facts, indent=2) + "\n")
        used = self._containers.builds_in_use()
        for other in build.parent.iterdir():
            if other.with_suffix("") == build or str(other.with_suffix("")) in used:
                continue
            shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)

    def _image(self, image: str) -> Path:
        return self._state / "images" / image.replace("/", "%")

    def _read_image(self, image: str, image_id: str = "") -> ProcessImage | None:
        """None where there is no such image, or a part of it is gone. ``image_id``: that one of those of the name."""
        path = self._image(image) / (f"builds/{image_id}.json" if image_id else "image.json")
        try:
            found = json.loads(path.read_text())
            build, venv, builder = (self._state / found[name] for name in ("build", "venv", "builder"))
            role, identity = str(found["role"]), str(found.get("identity", ""))
            labels = dict(found.get("labels", {}))
            more = tuple(self._state / name for name in found.get("more_venvs", ()))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        complete = build.is_dir() and builder.is_dir()
        complete = complete and all((one / ".trainyard-deps").is_file() for one in (venv, *more))
        return ProcessImage(build, venv, builder, role, identity, labels, more) if complete else None

    def _need_image(self, image: str, image_id: str = "") -> ProcessImage:
        if found := self._read_image(image, image_id):
            return found
        if self.commands.dry_run:
            return ProcessImage(self._state, self._state, self._assembler.builder, "predict")
        if image_id:
            raise TrainyardError(f"{image} was built again meanwhile", "start it once more", EXIT_FAILED)
        raise TrainyardError(f"no image {image} of the process engine", "build it: make build-train build-predict")

    def remove_image(self, image: str) -> bool:
        folder = self._image(image)
        if not folder.is_dir():
            return False
        if self.commands.dry_run:
            console.result(f"rm -r {folder}")
        else:
            shutil.rmtree(folder)
        return True

    def remove_leftovers(self) -> None:
        self._assembler.remove_leftovers()

    def unused(self) -> dict[str, int]:
        images = [self._read_image(path.parent.name) for path in self._state.glob("images/*/image.json")]
        used = {path for image in images if image for path in (*image.venvs, image.builder)}
        used |= {self._assembler.builder, *map(Path, self._containers.dependencies_in_use())}
        found = {path for folder in ("deps", "builders") for path in self._state.glob(f"{folder}/*")}
        return {str(self._short(path)): size_of(path) for path in sorted(found - used)}

    def removable(self, images: Iterable[str]) -> dict[str, int]:
        return {}  # it has nothing elsewhere

    def remove_unused(self, name: str) -> bool:
        shutil.rmtree(self.repository.root / name)
        return True

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        """Virtual environments are shared, and looked through once."""
        folders: dict[Path, list[str]] = {}
        for image in images:
            if found := self._read_image(image):
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
                    yield Stored(tuple(names), str(self._short(folder)), name, findings)

    def python(self) -> Python:
        return Python.parse(self.commands.ask([sys.executable, "-c", Python.PROGRAM]))

    def target(self) -> Target:
        return Target(f"{sys.version_info.major}.{sys.version_info.minor}")

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        return run_uv([*arguments, *index_options(self.settings)], folder, self.settings)

    def _short(self, path: Path) -> Path:
        return path.relative_to(self.repository.root)

    # -- containers ---------------------------------------------------------------------------------------------

    def run(self, plan: RunPlan) -> int:
        _say_if_not_confined(plan)
        return self._containers.run(plan, self._need_image(plan.image, plan.image_id))

    def converse(self, plan: RunPlan) -> Conversation:
        return self._containers.converse(plan, self._need_image(plan.image, plan.image_id))

    def start(self, plan: RunPlan) -> None:
        _say_if_not_confined(plan)
        self._containers.start(plan, self._need_image(plan.image))

    def shell(self, plan: RunPlan) -> int:
        return self._containers.run(plan, self._need_image(plan.image), ["bash", "-i"])

    def alive(self, name: str) -> bool:
        return self._containers.alive(name)

    def stop(self, name: str) -> bool:
        return self._containers.stop(name)

    def logs(self, name: str, follow: bool) -> None:
        self._containers.logs(name, follow)

    def last_lines(self, name: str, count: int) -> list[str]:
        return self._containers.last_lines(name, count)

    def running(self) -> list[Running]:
        return self._containers.running()


def _say_if_not_confined(plan: RunPlan) -> None:
    if plan.hardened and plan.role == "predict":
        console.step(f"{plan.name} is not confined: the process engine runs it with all of your rights")
