"""docker and podman, driven through their command lines, which are the same."""

from __future__ import annotations

from trainyard.host.engines.container.assembling import Assembler
from trainyard.host.engines.container.builder import ContainerBuilder
from trainyard.host.engines.container.clones import Clone
from trainyard.host.engines.container.kept_images import ContainerImages
from trainyard.host.engines.container.runner import ContainerRunner
from trainyard.host.engines.engine import Engine
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings


def container_engine(name: str, repository: Repository, settings: HostSettings, commands: Commands) -> Engine:
    """The engine whose command line is the program ``name``."""
    assembler = Assembler(name, repository, settings, commands)
    clone = Clone(assembler)
    builder = ContainerBuilder(assembler, clone)
    runner = ContainerRunner(name, repository.root, settings, commands, clone)
    return Engine(name, builder.unavailable, ContainerImages(assembler, clone), builder, runner)
