"""bin/s2i: the real s2i with this machine's build settings, for a build.sh that cannot be changed.

``s2i build`` learns of a CA bundle, an index or a proxy by what is mounted (``-v``) or by what stays in the image
(``-e``). A historical build.sh passes neither, so this stands before the real s2i on PATH and mounts them. Where the
builder image is ours, it is replaced by a dependency image: ours, with the requirements installed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from os import X_OK, access, get_exec_path
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.engines.container.assembling import CACHE_VOLUME
from trainyard.host.engines.container.shared_dependencies import dependency_builder
from trainyard.host.monorepo.repository import enclosing_monorepo, find_repository
from trainyard.host.network.build_settings import settings_folder, volumes
from trainyard.host.operations.assets.dockerfile import add_assets, written_by
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Commands
from trainyard.host.support.reporter import Reporter
from trainyard.host.verbs.s2i_arguments import command_position, plain_build
from trainyard.settings.host import HostSettings

PROGRAM = "s2i"
BUILDS = ("build", "rebuild")


def run_s2i(arguments: Sequence[str], settings: HostSettings, wrapper: Path, reporter: Reporter) -> int:
    """Run the real s2i and return its exit status (128 + n where signal n ended it).

    Args:
        arguments: what follows ``s2i``.
        settings: what a build gets mounted; every other command runs as it is.
        reporter: shows what is installed.
        wrapper: our own ``bin/s2i``, which is not the real one.

    Raises:
        TrainyardError: there is no other s2i on PATH, CA_BUNDLE names no file, or the requirements cannot be installed.
    """
    program = real_s2i(wrapper)
    command = command_position(arguments)
    if command is None or arguments[command] not in BUILDS:
        return _call([program, *arguments])
    words = arguments[command + 1 :]
    if arguments[0] == "build":  # no option before it names another engine
        words = _on_dependencies(words, settings, wrapper, reporter)
    with settings_folder(settings) as folder:
        mounted = [*volumes(settings, folder), CACHE_VOLUME]
        mounts = [part for volume in mounted for part in ("--volume", volume)]
        status = _call([program, *arguments[: command + 1], *mounts, *words])
    if status == 0 and (dockerfile := written_by(words)) and dockerfile.is_file():
        add_assets(_session(settings, wrapper, reporter), dockerfile)
    return status


def _session(settings: HostSettings, wrapper: Path, reporter: Reporter) -> Session:
    """Of the monorepo where s2i was called; else of the one that has the wrapper."""
    start = Path.cwd() if enclosing_monorepo(Path.cwd()) else wrapper
    return Session(find_repository(start), settings, Commands(reporter=reporter))


def _on_dependencies(words: Sequence[str], settings: HostSettings, wrapper: Path, reporter: Reporter) -> Sequence[str]:
    """The words after ``build``, with a dependency image in place of the builder image where that gives the same."""
    build = plain_build(words)
    if build is None:
        return words
    found = dependency_builder(find_repository(wrapper), settings, build.builder, build.source, reporter)
    return build.on(found) if found else words


def real_s2i(wrapper: Path) -> str:
    """The first s2i on PATH that is not ``wrapper`` under whatever name.

    Raises:
        TrainyardError: there is none.
    """
    for folder in get_exec_path():
        candidate = Path(folder) / PROGRAM
        if candidate.is_file() and access(candidate, X_OK) and not candidate.samefile(wrapper):
            return str(candidate)
    raise TrainyardError(
        f"there is no s2i on PATH but {wrapper}",
        "install it: https://github.com/openshift/source-to-image/releases",
    )


def _call(argv: list[str]) -> int:
    process = subprocess.Popen(argv)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C has reached s2i too: it removes its container, and still needs the mounted folder
        raise
    except BaseException:
        process.terminate()  # a signal to us alone
        process.wait()
        raise
    return status if status >= 0 else 128 - status
