"""A dependency image: setup.sh and a lock, installed on the base image; of further groups of models (GROUPS=auto) each
lock, on the dependency image of those before. With RUNTIME_IMAGE what that gives is put onto an image without the
compilers that it took.

s2i's own --runtime-image copies files into every image of a model; here it is done once for each lock, in whichever way
the models on it are built then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainyard.contract.groups import file_of
from trainyard.errors import TrainyardError
from trainyard.host.build.builder_files import library_context
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.container.assembling import SCRIPTS, Assembler, Todo
from trainyard.host.engines.container.base_images import WANTED, Base
from trainyard.host.engines.container.role_images import LIBRARY
from trainyard.host.support.context import ContextFile, make_context, text_file

IN_GROUP = "in_group {number} "
INSTALL = "assemble '' dependencies"
PREPARE = "assemble '' runtime"
VENV = "/opt/venv"
PROGRAM = (
    "import os, platform, sys; print('%d.%d' % sys.version_info[:2], platform.machine(),"
    " os.path.realpath(sys.executable), platform.libc_ver()[1] or '0')"
)


@dataclass(frozen=True)
class Interpreter:
    """What packages are compiled for, and what a virtual environment points to."""

    version: str
    machine: str
    path: str
    glibc: tuple[int, ...]

    def __str__(self) -> str:
        return f"Python {self.version} for {self.machine} in {self.path}"


def install(
    assembler: Assembler, base: Base, below: str, image: str, plan: BuildPlan, changes: Sequence[str]
) -> None:  # fmt: skip
    """Make the dependency image ``image`` of a plan. ``below`` is that of all its locks but the last; for the first
    there is none."""
    number = len(plan.packages)
    lock = text_file(file_of(number, "lock" if plan.locked else "txt"), plan.packages[-1].encode())
    beside = plan.beside(plan.packages[-1])
    setup = [text_file("setup.sh", plan.setup), *plan.setup_files] if plan.setup else []
    missing = [] if below else setup  # on an image that stands on another it was run there
    scripts = SCRIPTS + (IN_GROUP.format(number=number) if below else "")
    if base.runtime is None:
        todo = Todo(scripts + INSTALL, installs=True, network=_network(assembler, missing))
        library = library_context()
        context = make_context([lock, *beside, *missing, *library.files])
        changes = [*changes, f"LABEL {LIBRARY}={library.sha256}"]
        assembler.assemble(below or base.name, image, context, changes, todo)
        return
    _check_agreement(assembler, base.name, base.runtime.name)
    # Compiled is on the base image, whatever the group: there setup.sh has not been run before.
    todo = Todo(scripts + INSTALL, installs=True, network=_network(assembler, setup))
    with assembler.assembled(base.name, image, make_context([lock, *beside, *setup]), todo) as full:
        # Libraries that setup.sh brings are needed there, too.
        prepare = Todo(scripts + PREPARE, installs=True, network=bool(missing))
        with assembler.assembled(below or base.runtime.name, image, make_context(missing), prepare) as slim:
            _copy(assembler, f"{VENV}-{number}" if below else VENV, full, slim)
            assembler.commit(slim, image, changes)


def _network(assembler: Assembler, setup: Sequence[ContextFile]) -> bool:
    return bool(setup) or not assembler.settings.wheelhouse


def _copy(assembler: Assembler, folder: str, full: str, slim: str) -> None:
    """A folder from one container to another."""
    assembler.commands.pipe(
        [assembler.name, "cp", f"{full}:{folder}", "-"],
        assembler.unpacking(slim, folder.rpartition("/")[0]),
        assembler.limit,
    )


def _check_agreement(assembler: Assembler, base: str, runtime: str) -> None:
    """
    Raises:
        TrainyardError: what is installed with the Python of the one would not work with that of the other.
    """
    if assembler.commands.dry_run:
        return
    there, here = (_interpreter(assembler, image) for image in (base, runtime))
    if (there.version, there.machine, there.path) != (here.version, here.machine, here.path):
        raise TrainyardError(f"{WANTED[1]} has {here}, {WANTED[0]} has {there}", "name two images with the same Python")
    if here.glibc < there.glibc:
        old, new = (".".join(map(str, found.glibc)) for found in (here, there))
        raise TrainyardError(
            f"{WANTED[1]} has glibc {old}, older than {WANTED[0]}'s {new}: what is compiled there would not load",
            f"name a newer {WANTED[1]}, or an older {WANTED[0]}",
        )


def _interpreter(assembler: Assembler, image: str) -> Interpreter:
    run = [assembler.name, "run", "--rm", "--network", "none", "--entrypoint", f"{VENV}/bin/python", image]
    version, machine, path, glibc = assembler.commands.ask([*run, "-c", PROGRAM]).split()
    return Interpreter(version, machine, path, tuple(int(part) for part in glibc.split(".") if part.isdecimal()))
