"""The servers of this monorepo: stopping them, finding the engine that has one."""

from __future__ import annotations

from trainyard.host.engines.engine import Runner
from trainyard.host.operations.serve import container_name
from trainyard.host.operations.session import Session


def stop(session: Session, name: str) -> bool:
    """Stop a container on whichever engine has it."""
    name = container_name(name)
    stopped = [engine.name for engine in session.engines() if engine.runner.stop(name)]
    for engine in stopped:
        _say(session, f"Stopped {name} ({engine})")
    return bool(stopped)


def stop_everything(session: Session) -> None:
    """Stop every server of this monorepo."""
    for engine in session.engines():
        for server in engine.runner.running():
            if server.root == str(session.repository.root):
                engine.runner.stop(server.name)
                _say(session, f"Stopped {server.name} ({engine.name})")


def holder_of(session: Session, name: str) -> Runner:
    """What runs the container of that name, for its logs; else that of the chosen engine."""
    for engine in session.engines():
        if engine.runner.alive(name):
            return engine.runner
    return session.engine.runner


def _say(session: Session, text: str) -> None:
    """A step that was done, unless it was only shown."""
    if not session.commands.dry_run:
        session.reporter.step(text)
