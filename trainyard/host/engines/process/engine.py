"""The embedded engine: folders for images, child processes for containers. No root, no daemon, nothing to install.

Everything is below ``.trainyard/process``:

    builders/, deps/      see assembling
    images/<image>/       see image_folders
    containers/<name>/    see containers
"""

from __future__ import annotations

import shutil

from trainyard.host.engines.engine import Engine
from trainyard.host.engines.process.assembling import ProcessAssembler
from trainyard.host.engines.process.builder import ProcessBuilder
from trainyard.host.engines.process.containers import Containers
from trainyard.host.engines.process.image_folders import ImageFolders
from trainyard.host.engines.process.kept_images import ProcessImages
from trainyard.host.engines.process.runner import ProcessRunner
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings


def process_engine(name: str, repository: Repository, settings: HostSettings, commands: Commands) -> Engine:
    """The engine that needs no program but bash."""
    state = repository.state / "process"
    assembler = ProcessAssembler(state, repository, settings, commands)
    folders = ImageFolders(assembler)
    containers = Containers(state / "containers", settings.stop_timeout, commands.reporter)
    return Engine(
        name,
        _unavailable,
        ProcessImages(assembler, folders, containers),
        ProcessBuilder(assembler, folders, containers),
        ProcessRunner(folders, containers, str(repository.root), settings.stop_timeout, commands),
    )


def _unavailable() -> str:
    return "" if shutil.which("bash") else "process needs bash, which is not on PATH"
