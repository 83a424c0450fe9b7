"""A dependency image: setup.sh and a lock, installed on the base image. With RUNTIME_IMAGE what that gives is put onto
an image without the compilers that it took.

s2i's own --runtime-image copies files into every image of a model; here it is done once for each lock, in whichever way
the models on it are built then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainyard.context import make_context, text_file
from trainyard.engines.assembling import Assembler, Todo
from trainyard.engines.base import BuildPlan
from trainyard.engines.bases import WANTED, Base
from trainyard.errors import TrainyardError

INSTALL = ". /opt/trainyard/common.sh; assemble '' dependencies"
PREPARE = ". /opt/trainyard/common.sh; assemble '' runtime"
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


def install(assembler: Assembler, base: Base, image: str, plan: BuildPlan, changes: Sequence[str]) -> None:
    """Make the dependency image ``image`` of a plan."""
    lock = text_file("requirements.lock", plan.packages.encode())
    setup = [text_file("setup.sh", plan.setup)] if plan.setup else []
    network = bool(setup) or not assembler.settings.wheelhouse
    todo = Todo(INSTALL, installs=True, network=network)
    if base.runtime is None:
        assembler.assemble(base.name, image, make_context([lock, *setup]), changes, todo)
        return
    _check_agreement(assembler, base.name, base.runtime.name)
    with assembler.assembled(base.name, image, make_context([lock, *setup]), todo) as full:
        # Libraries that setup.sh brings are needed there, too.
        prepare = Todo(PREPARE, installs=True, network=bool(setup))
        with assembler.assembled(base.runtime.name, image, make_context(setup), prepare) as slim:
            name = assembler.name
            # podman gives what is copied to the container's user, unless told not to.
            kept = ["--archive=false"] if name == "podman" else []
            assembler.commands.pipe(
                [name, "cp", f"{full}:{VENV}", "-"],
                [name, "cp", *kept, "-", f"{slim}:{VENV.rpartition('/')[0]}"],
                assembler.limit,
            )
            assembler.commit(slim, image, changes)


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
