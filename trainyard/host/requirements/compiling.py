"""``uv pip compile``: requirements to a lock. On the host no code of a package is run: what has to be built to be
resolved is left to the engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uv

from trainyard.errors import TrainyardError
from trainyard.host.network.build_settings import ca_bundle, index_environment, index_options
from trainyard.host.network.urls import without_logins
from trainyard.host.requirements.errors import Clash
from trainyard.host.requirements.index_errors import explain_index
from trainyard.host.requirements.install_target import OLDEST_PYTHON, Target
from trainyard.host.requirements.local_packages import FOLDER
from trainyard.host.requirements.lock_files import INDEX
from trainyard.host.requirements.requirement_files import Requirement
from trainyard.host.requirements.wheels import may_compile, without_wheel
from trainyard.settings.host import BuildSettings

# What uv may see of the caller's environment: where it is, and what it needs to reach an index.
KEPT = (
    "HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "USER", "SSL_CERT_DIR", "SSL_CERT_FILE", "UV_CACHE_DIR",
    "XDG_CACHE_HOME",
)  # fmt: skip
# Any Python will do. Where none is named, uv looks for the one that is resolved for; pyenv takes seconds to say no.
ONLY_WHEELS = ("--only-binary", ":all:", "--python", sys.executable)
_FINDING = threading.Lock()  # the first two threads that ask sysconfig at once get half of its answers
NEEDS_BUILD = re.compile(r"no usable wheels|[Bb]uilding (?:from source|source distributions)[^.]*disabled")
NEEDS_PYTHON = re.compile(r"(?:does not satisfy|requires) Python ?(>=?)([\d.]+)")


class TooSlow(TrainyardError):
    """uv takes longer than it may."""


class PackageBuilder(Protocol):
    """Where packages may be built: in an image."""

    def target(self) -> Target:
        """What its images install for."""

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        """Run ``uv`` on the files of ``folder``, in which it writes; its status and what it complained about."""


@dataclass(frozen=True)
class Compiler:
    """Has uv resolve. ``builder`` is asked for only where it is needed."""

    settings: BuildSettings
    builder: Callable[[], PackageBuilder]

    def compile(self, inputs: tuple[Requirement, ...], *options: str, constraint: str = "", preferred: str = "") -> str:
        """A lock with hashes for every supported Python and platform; where a package is for newer Pythons alone, for
        that of the engine's images.

        Raises:
            TrainyardError: it cannot be resolved; the message carries uv's first reason.
        """
        _check_packages(inputs)

        def run(python: str) -> tuple[int, str, str]:
            universal = ("--universal", "--generate-hashes", *options)
            return self._run(inputs, Target(python), universal, constraint, preferred)

        try:
            status, output, lock = run(OLDEST_PYTHON)
            newer = NEEDS_PYTHON.search(output) if status else None
            if newer and self.target().python != OLDEST_PYTHON:
                status, output, lock = run(self.target().python)
            if not status:
                return lock
            # uv also says so of versions that it only passed by: then a newer Python changes nothing.
            if newer and run(newer[2])[0] == 0:
                raise self._needs_newer(inputs, output, *newer.groups())
            raise without_wheel(output, inputs, self) or self._failure(inputs, output)
        except TooSlow as error:
            raise TrainyardError(f"{names_of(inputs)}: cannot be resolved: {error.message}", error.hint) from None

    def target(self) -> Target:
        return self.builder().target()

    def complaint(self, pins: Sequence[str], target: Target, *options: str) -> str:
        """What uv says against having ``pins`` as wheels for a target; empty where there is nothing."""
        status, output, _ = self._ask(pins, target, options)
        return output if status else ""

    def offered(self, pins: Sequence[str], target: Target, indexes: Sequence[str]) -> tuple[str, str]:
        """What uv says against having ``pins`` as wheels for a target, and a lock of them with the hashes of the files
        that the index, or one of ``indexes``, has now; one of the two is empty."""
        status, output, lock = self._ask(pins, target, ("--generate-hashes",), indexes)
        return (output, "") if status else ("", lock)

    def newest(self, requirement: str, target: Target, *options: str) -> str:
        """The version that satisfies a requirement and has a wheel for a target; empty where there is none."""
        status, _, lock = self._ask([requirement], target, options)
        return "" if status else re.split(r"[\s;]", lock.partition("==")[2], maxsplit=1)[0]

    def _ask(
        self, lines: Sequence[str], target: Target, options: Sequence[str], indexes: Sequence[str] = ()
    ) -> tuple[int, str, str]:
        asked = Requirement(Path("asked"), "".join(f"{line}\n" for line in lines), indexes=tuple(indexes))
        with tempfile.TemporaryDirectory() as name:
            arguments = _write_inputs(Path(name), (asked,), "", "")
            arguments += [*target.options, "--no-deps", *options, *ONLY_WHEELS, *index_options(self.settings)]
            status, output = run_uv(arguments, Path(name), self.settings)
            return status, output, (Path(name) / "lock.txt").read_text(encoding="utf-8")

    def _run(
        self, inputs: tuple[Requirement, ...], target: Target, options: Sequence[str], constraint: str, preferred: str
    ) -> tuple[int, str, str]:
        """uv's status, what it complained about, and the lock."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            arguments = [*_write_inputs(folder, inputs, constraint, preferred), *target.options, *options]
            status, output = run_uv([*arguments, *ONLY_WHEELS, *index_options(self.settings)], folder, self.settings)
            if status and NEEDS_BUILD.search(output):
                if not may_compile(inputs, self.settings) and (error := without_wheel(output, inputs, self)):
                    raise error
                status, output = self.builder().compile(arguments, folder)
            return status, output, (folder / "lock.txt").read_text(encoding="utf-8")

    def _failure(self, inputs: tuple[Requirement, ...], output: str) -> TrainyardError:
        if trouble := explain_index(output, self.settings):
            return TrainyardError(f"{names_of(inputs)}: cannot be resolved: {trouble.message}", trouble.hint)
        kind = Clash if "No solution found" in output else TrainyardError
        return kind(_explain(output, inputs), "fix the requirements, or the network and INDEX_URL")

    def _needs_newer(
        self, inputs: tuple[Requirement, ...], output: str, comparison: str, python: str
    ) -> TrainyardError:
        found = re.search(r"([\w.-]+)(==\S+)? (?:depends on|requires) Python", output) or re.search(
            r"you require ([\w.-]+)", output
        )
        package = found[1] if found else "a package"
        return TrainyardError(
            f"{names_of(inputs)}: {package} needs Python{comparison}{python}, and the images of this engine have "
            f"{self.target().python}",
            "set BASE_IMAGE to an image with that Python (ENGINE=process: make .venv with it, by PYTHON), choose an "
            f"older version, or write {package} ; python_version {comparison} '{python}' if the code does without it",
        )


def run_uv(arguments: Sequence[str], folder: Path, settings: BuildSettings) -> tuple[int, str]:
    """Run uv on this machine: its status and what it complained about.

    An index that sends a byte now and then is never silent: so there is a limit on the whole, too.

    Raises:
        TooSlow: it takes longer than BUILD_TIMEOUT.
    """
    limit = settings.build_timeout
    try:
        done = subprocess.run(
            [uv_program(), *arguments], cwd=folder, capture_output=True, text=True, check=False,
            env=uv_environment(settings), timeout=limit or None,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TooSlow(
            f"the package index took longer than {limit} s",
            "check the network and INDEX_URL, or set BUILD_TIMEOUT to allow more seconds",
        ) from None
    return done.returncode, without_logins(done.stderr)


def uv_program() -> str:
    """The path of uv."""
    with _FINDING:
        return uv.find_uv_bin()


def names_of(inputs: tuple[Requirement, ...]) -> str:
    """The files that messages are about: all but the runtime's."""
    return " and ".join(str(item.path) for item in inputs[:-1] or inputs)


def uv_environment(settings: BuildSettings) -> dict[str, str]:
    """What uv may see of the caller's environment, and the settings of indexes."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    if settings.ca_bundle and (bundle := ca_bundle(settings)):
        kept["SSL_CERT_FILE"] = str(bundle)
    return {**kept, **index_environment(settings)}


def _write_inputs(folder: Path, inputs: tuple[Requirement, ...], constraint: str, preferred: str) -> list[str]:
    """Copies under equal names, so that two inputs with equal requirements get equal locks, byte for byte; and what uv
    is called with."""
    files = [folder / f"{number}.txt" for number in range(len(inputs))]
    for file, item in zip(files, inputs, strict=True):
        file.write_text(item.text, encoding="utf-8")
    limits = constraint + "".join(item.constraints for item in inputs)
    (folder / "constraints.txt").write_text(limits, encoding="utf-8")
    (folder / "lock.txt").write_text(preferred, encoding="utf-8")  # uv prefers what its output file says already
    indexes = [part for index in named_by(inputs) for part in (INDEX, index)]
    if indexes:  # as pip does: the best version of any of them
        indexes += ["--index-strategy", "unsafe-best-match"]
    if packages := {package.filename: package for item in inputs for package in item.packages}.values():
        (folder / FOLDER).mkdir()
        for package in packages:
            name, content = package.for_resolving()
            (folder / FOLDER / name).write_bytes(content)
        indexes += ["--find-links", FOLDER]
    return [
        "pip", "compile", "--no-header", "--no-annotate", "--quiet", *indexes, "--constraint", "constraints.txt",
        "--output-file", "lock.txt", *(file.name for file in files),
    ]  # fmt: skip


def _check_packages(inputs: Sequence[Requirement]) -> None:
    """Raise Clash where two packages that lie beside models would be one file."""
    known: dict[str, Requirement] = {}
    for item in inputs:
        for package in item.packages:
            other = known.setdefault(package.filename, item)
            if package not in other.packages:
                raise Clash(
                    f"{other.path} and {item.path} have two packages {package.name} {package.version} that differ",
                    "give one of them another version, or let both name one folder",
                )


def named_by(inputs: Sequence[Requirement]) -> list[str]:
    """The indexes that requirements name themselves, each once."""
    return list(dict.fromkeys(index for item in inputs for index in item.indexes))


def _explain(output: str, inputs: tuple[Requirement, ...]) -> str:
    reason = " ".join(output.encode("ascii", "ignore").decode().split())  # without uv's drawing
    for number, item in enumerate(inputs):
        reason = reason.replace(f"{number}.txt", item.path.name)
    return f"{names_of(inputs)}: cannot be resolved: {reason.removeprefix('error: ').rstrip('.')}"
