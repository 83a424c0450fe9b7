"""The engines, and the one place where one of them is chosen."""

from __future__ import annotations

from collections.abc import Callable

from trainyard.errors import TrainyardError
from trainyard.host.engines.engine import Engine
from trainyard.host.monorepo.model_dir import COMMAND_LINE
from trainyard.host.monorepo.repository import Repository
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings

Factory = Callable[[str, Repository, HostSettings, Commands], Engine]


# Either is imported when it is asked: a verb with one of them does not wait for the other.
def _container(name: str, repository: Repository, settings: HostSettings, commands: Commands) -> Engine:
    from trainyard.host.engines.container.engine import container_engine

    return container_engine(name, repository, settings, commands)


def _process(name: str, repository: Repository, settings: HostSettings, commands: Commands) -> Engine:
    from trainyard.host.engines.process.engine import process_engine

    return process_engine(name, repository, settings, commands)


# In the order in which the default asks them.
ENGINES: dict[str, Factory] = {"docker": _container, "podman": _container, "process": _process}


def resolve(repository: Repository, settings: HostSettings, commands: Commands) -> tuple[Engine, str]:
    """The engine, and why it is that one.

    Raises:
        TrainyardError: ENGINE names none, or one that does not answer; the message names those that do.
    """
    wanted = settings.engine
    source = COMMAND_LINE if "ENGINE" in repository.overrides else "environment"
    if wanted and wanted not in ENGINES:
        raise TrainyardError(f"ENGINE={wanted} ({source}): no such engine", f"choose one of {', '.join(ENGINES)}")
    reasons: dict[str, str] = {}
    for name in [wanted] if wanted else ENGINES:
        engine = ENGINES[name](name, repository, settings, commands)
        if (commands.dry_run and wanted) or not (reason := engine.unavailable()):
            skipped = "; ".join(reasons.values())
            return engine, source if wanted else f"default{': ' + skipped if skipped else ''}"
        reasons[name] = reason
    answering = [name for name in ENGINES if not ENGINES[name](name, repository, settings, commands).unavailable()]
    raise TrainyardError(f"ENGINE={wanted} ({source}): {reasons[wanted]}", f"these answer: {', '.join(answering)}")


def chosen_engine(repository: Repository, settings: HostSettings, commands: Commands) -> Engine:
    """The engine to work with; says which one it is, and why, where nobody asked for it."""
    engine, source = resolve(repository, settings, commands)
    if not settings.engine:
        commands.reporter.step(f"Engine: {engine.name} ({source})")
    return engine


def every_engine(repository: Repository, settings: HostSettings, commands: Commands) -> list[Engine]:
    """All engines that answer."""
    engines = [factory(name, repository, settings, commands) for name, factory in ENGINES.items()]
    return [engine for engine in engines if not engine.unavailable()]
