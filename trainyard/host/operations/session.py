"""What every verb needs: the monorepo, the settings, the way to run programs, the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.engines import chosen_engine, every_engine
from trainyard.host.engines.engine import Engine
from trainyard.host.monorepo.model_dir import ROLES, read_model_dir
from trainyard.host.monorepo.repository import Repository, find_repository
from trainyard.host.network.package_indexes import read_settings
from trainyard.host.requirements.resolver import Resolver
from trainyard.host.support.command import Commands
from trainyard.host.support.reporter import Reporter
from trainyard.settings.compute import ComputeSettings
from trainyard.settings.data import DataSettings
from trainyard.settings.experiments import ExperimentSettings
from trainyard.settings.host import HostSettings
from trainyard.settings.own_process import callers_environment


@dataclass(frozen=True)
class Session:
    """One call of the command line. ``given``, ``given_computing``: settings in the place of the environment's;
    ``tags``: of its runs; ``locks``: by role, in the place of what requirements give."""

    repository: Repository
    settings: HostSettings
    commands: Commands
    given: ExperimentSettings | None = None
    given_computing: ComputeSettings | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    locks: Mapping[str, str] = field(default_factory=dict)

    @property
    def reporter(self) -> Reporter:
        """Shows how things go; everything that is made here reports to it."""
        return self.commands.reporter

    @cached_property
    def engine(self) -> Engine:
        return chosen_engine(self.repository, self.settings, self.commands)

    @cached_property
    def experiments(self) -> ExperimentSettings:
        return self.given or ExperimentSettings.read()

    @cached_property
    def data(self) -> DataSettings:
        return DataSettings.read()

    @cached_property
    def computing(self) -> ComputeSettings:
        return self.given_computing or ComputeSettings.read()

    @property
    def resolver(self) -> Resolver:
        return Resolver(
            self.repository, self.settings, lambda: self.engine.builder, self.reporter, self.commands.dry_run,
            given=self.locks,
        )  # fmt: skip

    @property
    def known_resolver(self) -> Resolver:
        """Knows only what was resolved before; for questions that must not take long."""
        return replace(self.resolver, known_only=True)

    def tagged(self, tags: Mapping[str, str]) -> Session:
        """The same, with these tags of its runs too."""
        return self.but(tags={**self.tags, **tags})

    def but(self, **changes: Any) -> Session:
        """The same, with other fields, on the same engine: it is not chosen, and named, once more."""
        other = replace(self, **changes)
        if "engine" in self.__dict__:
            other.__dict__["engine"] = self.engine
        return other

    def engines(self) -> list[Engine]:
        """Every engine that answers, for what asks all of them: stop, list, who holds a port."""
        return every_engine(self.repository, self.settings, self.commands)

    def model_images(self) -> tuple[list[str], list[TrainyardError]]:
        """The images of every model that can be read, and why others cannot."""
        images: list[str] = []
        errors = []
        for path in self.repository.every_model_path():
            try:
                model = read_model_dir(path, self.repository.root)
                images += [model.image(role) for role in ROLES]
            except TrainyardError as error:
                errors.append(error)
        return images, errors

    def local(self) -> Session:
        """The same, without containers."""
        return replace(self, settings=replace(self.settings, engine="process"))

    def short(self, path: Path) -> str:
        """A path as messages show it: relative to the monorepo's root."""
        return str(path.relative_to(self.repository.root)) if path.is_relative_to(self.repository.root) else str(path)


def open_session(start: Path, reporter: Reporter, *, dry_run: bool = False) -> Session:
    """The session of a command that was called for the folder ``start``."""
    repository = find_repository(start)
    repository.provide_cache()
    return Session(repository, read_settings(callers_environment()), Commands(dry_run, reporter))
