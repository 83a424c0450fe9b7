"""A version of the registry is served (VERSION); of an alias, always the one that it leads to."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount
from trainyard.host.experiments.registry.served_folder import place_version
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.serve import container_name
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import open_registry
from trainyard.host.operations.version_names import cache_of, name_of


def version_mount(session: Session, model: ModelDir) -> Mount:
    """The folder with the version that VERSION names, verified, for models/; prints which one it is.

    Raises:
        TrainyardError: there is no such version, or its files are not what was registered.
    """
    folder = _folder(session, model)
    if session.commands.dry_run:
        return Mount("models", folder, read_only=True)
    registry = open_registry(session)
    version = registry.version_of(name_of(model), session.experiments.version)
    place_version(registry.download_version(version, cache_of(session)), model.model_name, folder)
    session.reporter.step(f"Serving version {version.number} of {version.name} (sha256 {version.sha256[:12]})")
    return Mount("models", folder, read_only=True)


def start_following(session: Session, model: ModelDir) -> None:
    """Where VERSION is an alias: a process that puts the version it leads to in place, as long as the server runs."""
    wanted = session.experiments.version
    if not wanted or wanted.isdecimal() or session.commands.dry_run:
        return
    log = _folder(session, model).with_suffix(".log")
    with log.open("w") as output:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "trainyard", "follow-version", str(model.path)],
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    seconds = session.experiments.version_poll
    session.reporter.step(f"Where {wanted} leads to is asked every {seconds} s; its log is {session.short(log)}")


def follow(session: Session, model: ModelDir) -> None:
    """Until the server is gone: serve the version that the alias leads to."""
    container = container_name(model.image("predict"))
    if _started(session, container):
        _keep_placed(session, model, _folder(session, model), lambda: session.engine.runner.alive(container))


def follow_into(session: Session, model: ModelDir, folder: Path) -> None:
    """Until this process is ended: keep in ``folder`` the version that VERSION leads to, once there is one. Who serves
    from there is another's matter.

    Raises:
        TrainyardError: VERSION is not said.
    """
    if not session.experiments.version:
        raise TrainyardError("VERSION is not set: nothing to follow", "say VERSION=champion")
    session.reporter.step(f"What {session.experiments.version} of {model.name} leads to is kept in {folder}")
    _keep_placed(session, model, folder, lambda: True)


def _keep_placed(session: Session, model: ModelDir, folder: Path, served_still: Callable[[], bool]) -> None:
    wanted = session.experiments.version
    served, complaint = "", ""
    while served_still():
        try:
            registry = open_registry(session)
            version = registry.version_of(name_of(model), wanted)
            if version.record_sha256 != served:
                files = registry.download_version(version, cache_of(session))
                place_version(files, model.model_name, folder)
                session.reporter.step(f"{wanted} is version {version.number} (sha256 {version.sha256[:12]})")
                served = version.record_sha256
            complaint = ""
        except TrainyardError as error:  # what is served goes on; warned of once, not at every look
            if str(error) != complaint:
                session.reporter.warn(str(error))
            complaint = str(error)
        time.sleep(session.experiments.version_poll)


def _started(session: Session, container: str) -> bool:
    deadline = time.monotonic() + session.settings.ready_timeout
    while not session.engine.runner.alive(container):
        if time.monotonic() > deadline:
            return False
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.5)
    return True


def _folder(session: Session, model: ModelDir) -> Path:
    return session.repository.state / "served" / container_name(model.image("predict"))
