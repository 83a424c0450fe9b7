"""Work trees of commits, in which runs are trained again. Each is removed afterwards, with its image.

.trainyard/reproduce/<name>/       the work tree
.trainyard/reproduce/<name>.lock   held by the process that works in it; it names the engine

The kernel drops the lock of a process that was killed: what that has left is found by it, and removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines import ENGINES
from trainyard.host.experiments.run_files import FOLDER as RUNS
from trainyard.host.monorepo.commits import folder_in_repository
from trainyard.host.monorepo.repository import Repository
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit

FOLDER = "reproduce"  # below the state folder
MOST = 20  # that train one run again at once
# Hooks are somebody's programs, for somebody's own work tree.
NO_HOOKS = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": os.devnull}


def image_name(name: str) -> str:
    """The CONTAINER_NAME of what is built in the work tree ``name``: the names of other images stay where they lead."""
    return f"trainyard-reproduce-{name}"


@contextlib.contextmanager
def work_tree(session: Session, commit: str, name: str, engine: str, locks: Mapping[str, str]) -> Iterator[Session]:
    """A session of the monorepo as it was at a commit, on ``engine``, with ``locks`` in the place of its own; what is
    installed is shared.

    Raises:
        TrainyardError: git cannot check it out.
    """
    with _own_name(session.repository.state / FOLDER, name, engine) as folder:
        if folder.exists():
            _remove(session, folder, engine)
        try:
            with session.reporter.waiting(f"Checking out commit {commit[:12]} ..."):
                _git(session, "worktree", "add", "--quiet", "--force", "--detach", str(folder), commit)
            yield replace(_session_in(session, folder, engine), locks=locks)
        finally:
            _remove(session, folder, engine)


def remove_leftovers(session: Session) -> None:
    """Remove the work trees of processes that were killed. One that cannot be removed is a warning."""
    for path in sorted((session.repository.state / FOLDER).glob("*.lock")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder, engine = path.with_suffix(""), file.read().strip()
            if session.commands.dry_run:
                session.reporter.would(shlex.join(["git", "worktree", "remove", "--force", str(folder)]))
                continue
            was_there = folder.exists()
            _remove(session, folder, engine)
            if folder.exists():
                continue
            path.unlink(missing_ok=True)
            if was_there:
                what = f"Removed {session.short(folder)}, which a make reproduce that was killed had left"
                session.reporter.step(what)


@contextlib.contextmanager
def _own_name(folder: Path, name: str, engine: str) -> Iterator[Path]:
    """The folder for a work tree; another one where a process works on that run already.

    Raises:
        TrainyardError: many do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, MOST + 1):
        path = folder / (f"{name}-{number}" if number > 1 else name)
        lock = path.with_name(f"{path.name}.lock")
        with lock.open("a+") as file:
            if not _is_ours(file, lock):
                continue
            file.truncate(0)
            file.write(engine)
            file.flush()
            try:
                yield path
            finally:
                if not path.exists():
                    lock.unlink(missing_ok=True)
            return
    raise TrainyardError(f"{folder / name}: {MOST} processes train that run again", "wait for one of them", EXIT_FAILED)


def _is_ours(file: IO[str], path: Path) -> bool:
    """Whether nobody else has the lock, or has just removed it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _session_in(session: Session, folder: Path, engine: str) -> Session:
    """The state is that of the user's own monorepo, so that nothing is installed twice."""
    root = folder / folder_in_repository(session.repository.root)
    own = session.repository.state.parent
    repository = Repository(root, {"CONTAINER_NAME": image_name(folder.name)}, own)
    settings = replace(session.settings, engine=engine, build=True, force=False, bake=False, payload="")
    given = replace(session.experiments, description="")
    return replace(session, repository=repository, settings=settings, given=given, tags={})


def _remove(session: Session, folder: Path, engine: str) -> None:
    """The container, where one still runs, the image, the work tree; as far as they are there."""
    for step in (_remove_image, _remove_folder):
        try:
            step(session, folder, engine)
        except (TrainyardError, OSError) as error:
            session.reporter.warn(f"{session.short(folder)} is not removed yet: {error}; make prune tries again")


def _remove_image(session: Session, folder: Path, engine: str) -> None:
    if engine not in ENGINES or not folder.is_dir():
        return
    inner = _session_in(session, folder, engine)
    if inner.engine.unavailable():
        return
    image = f"{image_name(folder.name)}-train"
    for run in inner.repository.root.glob(f"projects/*/{RUNS}/*"):
        inner.engine.runner.stop(f"{image}-{run.name.rpartition('-')[2]}")
    inner.engine.images.remove(image)


def _remove_folder(session: Session, folder: Path, _: str) -> None:
    try:
        _git(session, "worktree", "remove", "--force", "--force", str(folder))
    except TrainyardError:  # never complete, or not known to git any longer
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise TrainyardError(f"{folder}: cannot be removed", "check who owns what is in there", EXIT_FAILED)


def _git(session: Session, *arguments: str) -> None:
    root, settings = session.repository.root, session.settings
    environment = session.commands.environment(NO_HOOKS)
    try:
        limit = Limit("BUILD_TIMEOUT", settings.build_timeout)
        session.commands.run(["git", "-C", str(root), *arguments], limit, env=environment)
    except TrainyardError as error:
        message = error.message.replace("git -C", f"git {' '.join(arguments[:2])}", 1)
        free = shutil.disk_usage(session.repository.state / FOLDER).free / 1e6
        room = f"make room: {free:.1f} MB are free" if "unable to write" in message else ""
        raise TrainyardError(message, error.hint or room, error.exit_code) from None
