"""How the process engine builds an image: a folder of sources that assemble has seen, beside virtual environments."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import write_files
from trainyard.host.engines.base import BuildPlan, ProgramPlan, Python
from trainyard.host.engines.build_errors import Damaged
from trainyard.host.engines.process.assembling import ProcessAssembler
from trainyard.host.engines.process.containers import Containers
from trainyard.host.engines.process.environment import STAMP, ProcessImage
from trainyard.host.engines.process.image_folders import ImageFolders
from trainyard.host.network.build_settings import index_options
from trainyard.host.requirements.install_target import Target
from trainyard.host.support.context import Context, make_context
from trainyard.host.support.digests import digest_of


@dataclass(frozen=True)
class ProcessBuilder:
    """Builds images that are folders."""

    assembler: ProcessAssembler
    folders: ImageFolders
    containers: Containers

    def ensure_builders(self) -> None:
        self.assembler.ensure_builders()

    def identity(self, plan: BuildPlan) -> str:
        return digest_of(
            self.assembler.builder.name, *(venv.name for venv in self.assembler.venvs(plan)), plan.contents
        )

    def has_dependencies(self, plan: BuildPlan) -> bool:
        return all((venv / STAMP).is_file() for venv in self.assembler.venvs(plan))

    def build(self, plan: BuildPlan) -> bool:
        self.assembler.ensure_builders()
        reporter = self.assembler.reporter
        if self.assembler.settings.runtime_image:
            reporter.warn(
                "RUNTIME_IMAGE means nothing to the process engine: it installs for this machine's own Python"
            )
        if plan.setup:
            reporter.warn(f"setup.sh of {plan.image} is not run: the process engine leaves the host as it is")
        context = make_context(file for file in plan.context.files if str(file.path) != "setup.sh")
        with self.assembler.locked(plan.image.replace("/", "%"), f"the image {plan.image}"):
            identity, there = self.identity(plan), self.folders.read(plan.image)
            if there and there.identity == identity and not self.assembler.settings.force:
                return False
            labels = plan.labels()  # of the files as they are now
            venvs = self.assembler.ensure_dependencies(plan)
            reporter.step(f"Building {plan.image} in {self.assembler.short(self.folders.folder(plan.image))} ...")
            for remark in plan.context.remarks():
                reporter.step(remark)
            build = self.folders.folder(plan.image) / "builds" / f"{time.time_ns():x}"
            try:
                self._assemble(context, plan, venvs, build)
                if not self.assembler.commands.dry_run:
                    write_files(plan.baked, build / "models")
                    first, *more = venvs
                    image = ProcessImage(build, first, self.assembler.builder, plan.role, identity, labels, tuple(more))
                    self.folders.point_to(plan.image, image, self.containers.builds_in_use())
            except BaseException:
                shutil.rmtree(build, ignore_errors=True)
                raise
        return True

    def _assemble(self, context: Context, plan: BuildPlan, venvs: list[Path], build: Path) -> None:
        try:
            self.assembler.assemble(context, plan.role, venvs, build)
        except Damaged as error:
            self.assembler.reporter.warn(f"{error.message}; it is made anew")
            shutil.rmtree(build, ignore_errors=True)
            self.assembler.ensure_dependencies(plan, anew=True)
            self.assembler.assemble(context, plan.role, venvs, build)

    def build_program(self, plan: ProgramPlan) -> bool:
        raise TrainyardError(
            f"{plan.image}: the process engine makes no images that run elsewhere", "say ENGINE=docker or ENGINE=podman"
        )

    def remove_leftovers(self) -> None:
        self.assembler.remove_leftovers()

    def python(self) -> Python:
        return Python.parse(self.assembler.commands.ask([sys.executable, "-c", Python.PROGRAM]))

    def target(self) -> Target:
        return Target(f"{sys.version_info.major}.{sys.version_info.minor}")

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        from trainyard.host.requirements.compiling import run_uv

        return run_uv([*arguments, *index_options(self.assembler.settings)], folder, self.assembler.settings)
