"""How docker and podman build a model's image. What it is built on is in ``images``, how it is assembled in
``assembling``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.build.baked_files import LABEL_BAKED
from trainyard.host.engines.base import BuildPlan, ProgramPlan, Python
from trainyard.host.engines.build_errors import Damaged
from trainyard.host.engines.container import bake_layer as baking
from trainyard.host.engines.container import images, programs, resolving, s2i
from trainyard.host.engines.container.assembling import Assembler, Image, Todo
from trainyard.host.engines.container.base_images import IDENTITY, Base, known_bases
from trainyard.host.engines.container.clones import LABEL_CLONE, Clone
from trainyard.host.engines.container.leftovers import remove_image_later
from trainyard.host.requirements.install_target import Target
from trainyard.host.support.digests import digest_of

ASSEMBLE = Todo("/usr/libexec/s2i/assemble")


@dataclass(frozen=True)
class ContainerBuilder:
    """Builds images for ``clone`` with the engine of ``assembler``."""

    assembler: Assembler
    clone: Clone

    def unavailable(self) -> str:
        """Why the engine does not answer; empty where it does."""
        try:
            _ = self._builders_here  # cheap, it needs the engine to work, and a build has to know it anyway
        except TrainyardError:
            return f"{self.assembler.name} is not installed, or does not answer"
        return ""

    def ensure_builders(self) -> None:
        self._ensure_builders()

    @cached_property
    def _builders_here(self) -> dict[str, Image]:
        return images.found_builders(self.assembler)

    def _ensure_builders(self) -> Base:
        if base := images.builders_here(self.assembler, self._builders_here):
            return base
        with self.assembler.locked("builders", "the builder images", for_all=True):
            base = images.ensure_builders(self.assembler)
        self.__dict__.pop("_builders_here", None)  # it was asked before
        return base

    def identity(self, plan: BuildPlan) -> str:
        return self._identity(self._base, plan) if self._base else ""

    @property
    def _base(self) -> Base | None:
        return known_bases(self.assembler, self._builders_here)

    def _identity(self, base: Base, plan: BuildPlan) -> str:
        return digest_of(images.builder_image(self.assembler, base, plan), plan.contents)

    def has_dependencies(self, plan: BuildPlan) -> bool:
        return bool(self._base and images.has_dependencies(self.assembler, self._base, plan))

    def build(self, plan: BuildPlan) -> bool:
        base = self._ensure_builders()
        with self.assembler.locked(plan.image.replace("/", "_"), f"the image {plan.image}"):
            return self._build(base, plan)

    def _build(self, base: Base, plan: BuildPlan) -> bool:
        assembler = self.assembler
        identity = self._identity(base, plan)
        builder = images.builder_image(assembler, base, plan)
        there = self.clone.images([plan.image, builder])
        own = there.get(plan.image)
        if own and own.image.labels.get(IDENTITY) == identity and not self.assembler.settings.force:
            self.clone.name_again(plan.image, own)
            return False
        described = plan.labels()
        labels = {IDENTITY: identity, LABEL_CLONE: self.clone.mark, **described}
        if plan.baked:
            sources = baking.without_binaries(plan, described)
            self._build(base, sources)
            below = self.clone.images([sources.image]).get(sources.image)
            built = baking.bake(assembler, plan, labels, below.image.id if below else sources.image)
        else:
            if builder not in there or not there[builder].image.is_named(builder):
                images.ensure_dependencies(assembler, base, plan)
            built = self._build_again_if_damaged(base, builder, plan, labels)
        self.clone.built(plan.image, built)
        # Another identity is another label, so another image; only FORCE=1 may have made the same one again.
        if own and own.image.id != built:
            self._remove_replaced(own.image, plan)
        return True

    def _build_again_if_damaged(self, base: Base, builder: str, plan: BuildPlan, labels: Mapping[str, str]) -> str:
        try:
            return self._build_sources(builder, plan, labels)
        except Damaged as error:
            self.assembler.reporter.warn(f"{builder}: {error.message}; it is made anew")
        images.ensure_dependencies(self.assembler, base, plan, anew=True)
        return self._build_sources(builder, plan, labels)

    def _remove_replaced(self, replaced: Image, plan: BuildPlan) -> None:
        if self.assembler.commands.dry_run:
            return
        remove_image_later(self.assembler.name, replaced.id)
        if LABEL_BAKED in replaced.labels and not plan.baked:
            self.clone.remove(baking.sources_image(plan.image))

    def _build_sources(self, builder: str, plan: BuildPlan, labels: Mapping[str, str]) -> str:
        """The id of the image."""
        for remark in plan.context.remarks():
            self.assembler.reporter.step(remark)
        if s2i.chosen(self.assembler.settings, self.assembler.name):
            s2i.build(self.assembler.commands, self.assembler.limit, plan, builder, labels)
            return "" if self.assembler.commands.dry_run else self.assembler.image_id(plan.image)
        changes = images.changes(self.assembler, plan, builder, labels)
        return self.assembler.assemble(builder, plan.image, plan.context, changes, ASSEMBLE)

    def build_program(self, plan: ProgramPlan) -> bool:
        base = self._ensure_builders()
        with self.assembler.locked(plan.image.replace("/", "_"), f"the image {plan.image}", for_all=True):
            return programs.build(self.assembler, base, plan)

    def remove_leftovers(self) -> None:
        self.assembler.remove_leftovers()

    def python(self) -> Python:
        return self.assembler.python(self._ensure_builders().name)

    def target(self) -> Target:
        here = self._base and not self.assembler.commands.dry_run
        return resolving.target_of(self.python() if here else resolving.expected_python(self.assembler.settings))

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        return resolving.compile_in_container(self.assembler, self._ensure_builders().name, arguments, folder)
