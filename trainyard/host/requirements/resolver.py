"""Requirements to a lock, a lock to the identity of a dependency image.

uv resolves; the lock has hashes and holds for every supported Python, so that containers with another Python than the
host's, and the process engine, install from the same file. Train and predict are resolved together: what both use has
one version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainyard.contract.files import read_text, write_whole
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ROLES, ModelDir
from trainyard.host.monorepo.repository import Repository
from trainyard.host.requirements.errors import Unresolved
from trainyard.host.requirements.install_target import OLDEST_PYTHON
from trainyard.host.requirements.lock_files import (
    check_sealed,
    is_of,
    is_whole,
    seal,
)
from trainyard.host.requirements.locked_inputs import fix_of_lock, remark_on, role_input
from trainyard.host.requirements.requirement_files import Requirement, read_requirement
from trainyard.host.requirements.requirement_text import Reader, read_requirement_text
from trainyard.host.support.product import BUILDER_SOURCES
from trainyard.host.support.reporter import Reporter
from trainyard.settings.host import BuildSettings

if TYPE_CHECKING:
    from trainyard.host.requirements.compiling import Compiler, PackageBuilder

RUNTIME = BUILDER_SOURCES / "base" / "requirements.txt"


@dataclass(frozen=True)
class Lock:
    """The text of a lock and where it came from. ``remark``: why the next build may get other packages."""

    text: str
    source: str
    remark: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def lock_path(model: ModelDir, role: str) -> Path:
    """The lock that is committed beside the requirements."""
    return model.path / f"requirements_{role}.lock"


@dataclass(frozen=True)
class Resolver:
    """Turns requirements into locks; in a dry run only those that are known already. ``known_only``: whoever asks for
    another gets an Unresolved. ``builder``: the engine, where packages have to be built to be resolved. ``given``:
    locks by role that count as they are, whatever the requirements say."""

    repository: Repository
    settings: BuildSettings
    builder: Callable[[], PackageBuilder]
    reporter: Reporter
    dry_run: bool = False
    known_only: bool = False
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def compiler(self) -> Compiler:
        from trainyard.host.requirements.compiling import Compiler

        return Compiler(self.settings, self.builder)

    @property
    def runtime(self) -> Requirement:
        """What the daemon needs, in every image."""
        return read_requirement(RUNTIME, RUNTIME.parent, self.repository.state / "packages")

    def model_lock(self, model: ModelDir, role: str) -> Lock:
        """The lock of one model's role: the committed one where it is up to date, else resolved now and remembered.

        Warns of a lock that is not committed or is stale, where it is not just asked what is known.

        Raises:
            TrainyardError: no requirements, requirements that cannot be resolved, a damaged lock; with STRICT=1 also
                one that is stale or missing.
        """
        if role in self.given:
            return Lock(self.given[role], "given")
        inputs = self._inputs(model)
        own = inputs[ROLES.index(role)]
        lock = self._committed(inputs, own, lock_path(model, role)) or self._uncommitted(inputs, own, role)
        self._refuse(lock.remark, own)
        if lock.remark and not self.known_only:
            self.reporter.warn(f"{lock.remark}: {fix_of_lock(own)}")
        return lock

    def is_locked(self, model: ModelDir) -> bool:
        """Whether both lock files are there, whole, and of today's requirements.

        Raises:
            TrainyardError: the requirements cannot be read.
        """
        inputs = self._inputs(model)
        try:
            found = [
                self._committed(inputs, own, lock_path(model, role)) for own, role in zip(inputs, ROLES, strict=False)
            ]
        except TrainyardError:  # damaged: make lock makes it anew
            return False
        return all(lock and not lock.remark for lock in found)

    def lock_remarks(self, model: ModelDir) -> list[str]:
        """Why a build of the model may get other packages than the next one, for each role; nothing is resolved.

        Raises:
            TrainyardError: the requirements cannot be read, or a lock is damaged.
        """
        inputs = self._inputs(model)
        remarks = []
        for own, role in zip(inputs, ROLES, strict=False):
            path = lock_path(model, role)
            lock = self._committed(inputs, own, path)
            remarks.append(lock.remark if lock else _uncommitted_remark(own, path))
        return [remark for remark in dict.fromkeys(remarks) if remark]

    def write_locks(self, model: ModelDir) -> list[Path]:
        """``make lock``: resolve anew and write both lock files beside the requirements."""
        locks = self.new_locks(model)
        for path, text in locks.items():
            if not self.dry_run:
                write_whole(path, text)
        return [*locks]

    def new_locks(self, model: ModelDir, read: Reader = read_requirement_text) -> dict[Path, str]:
        """Both lock files, resolved anew; ``read`` gives the text of a requirements file, which may be another than is
        there. In a dry run they are empty.

        Raises:
            TrainyardError: as ``model_lock``.
        """
        inputs = self._inputs(model, read)
        for item in {item.path: item for item in inputs}.values():
            if remark := remark_on(item):
                self.reporter.warn(f"{remark}: {fix_of_lock(item)}")
        locks = self.together(inputs, renew=True)
        return {lock_path(model, role): lock.text for role, lock in zip(ROLES, locks, strict=True)}

    def together(
        self, inputs: tuple[Requirement, ...], *, preferred: str = "", renew: bool = False
    ) -> tuple[Lock, ...]:
        """Locks of every input but the last; the last one, the runtime's, is part of each.

        Remembered under the hash of the inputs, so that nothing is asked of the index twice; ``renew`` asks all the
        same. ``preferred`` is the text of locks whose versions are taken wherever the requirements allow it.
        """
        digest = _digest(inputs, preferred)
        folder = self.remembered(inputs, preferred)
        models = inputs[:-1]
        paths = [folder / f"{number}.lock" for number in range(len(models))]
        if renew or not all(map(is_whole, paths)):
            if self.known_only:
                raise Unresolved(f"{' and '.join(str(item.path) for item in models)}: not resolved yet")
            if self.dry_run:
                self.reporter.would(f"uv pip compile --universal {' '.join(str(item.path) for item in inputs)}")
                return tuple(Lock("", "not resolved in a dry run") for _ in models)
            from trainyard.host.requirements.resolving import resolve  # most verbs know their locks

            folder.mkdir(parents=True, exist_ok=True)
            names = ", ".join(dict.fromkeys(self._short(item.path) for item in models))
            with self.reporter.waiting(f"Resolving {names} ..."):
                for path, text in zip(paths, resolve(inputs, self.compiler, _pins(preferred)), strict=True):
                    write_whole(path, seal(digest, text))
        return tuple(Lock(read_text(path), "resolved now, not committed") for path in paths)

    def remembered(self, inputs: tuple[Requirement, ...], preferred: str = "") -> Path:
        """The folder for what is known of these inputs."""
        return self.repository.state / "locks" / _digest(inputs, preferred)[:16]

    def _committed(self, inputs: tuple[Requirement, ...], own: Requirement, path: Path) -> Lock | None:
        """The lock file at ``path``; None where there is none, or one of other requirements."""
        if not path.is_file():
            return None
        text = read_text(path)
        check_sealed(path, text)
        return Lock(text, str(path), remark_on(own)) if is_of(text, _digest(inputs)) else None

    def _uncommitted(self, inputs: tuple[Requirement, ...], own: Requirement, role: str) -> Lock:
        remark = _uncommitted_remark(own, own.path.with_name(f"requirements_{role}.lock"))
        self._refuse(remark, own)  # before the index is asked
        lock = self.together(inputs)[ROLES.index(role)]
        if own.locked and not remark:
            return replace(lock, source=str(own.path), remark=remark_on(own, lock.text))
        return replace(lock, remark=remark)

    def _refuse(self, remark: str, own: Requirement) -> None:
        if remark and self.settings.strict and not self.known_only:
            raise TrainyardError(f"{remark} (STRICT=1)", fix_of_lock(own))

    def _inputs(self, model: ModelDir, read: Reader = read_requirement_text) -> tuple[Requirement, ...]:
        cache = None if self.dry_run else self.repository.state / "locks"
        return (*(role_input(model, role, cache, read) for role in ROLES), self.runtime)

    def _short(self, path: Path) -> str:
        root = self.repository.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _uncommitted_remark(own: Requirement, path: Path) -> str:
    """What is to say where the lock at ``path`` is of other requirements, or there is none."""
    if path.is_file():
        return f"{path}: stale, its requirements have changed"
    return remark_on(own) if own.locked else f"{path}: not there, so every clone may get other packages"


def _pins(lock: str) -> str:
    """``name==version`` of each package, the first of several."""
    pins: dict[str, str] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE):
        pins.setdefault(name, version)
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def _digest(inputs: tuple[Requirement, ...], preferred: str = "") -> str:
    digest = hashlib.sha256(OLDEST_PYTHON.encode())  # the header of every committed lock holds what this gives
    named = [text for item in inputs for text in (item.constraints, *item.indexes) if text]
    for text in (*(item.text for item in inputs), *named, *([_pins(preferred)] if preferred else [])):
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()
