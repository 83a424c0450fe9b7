"""Requirements to a lock, a lock to the identity of a dependency image.

uv resolves; the lock has hashes and holds for every supported Python, so that containers with another Python than the
host's, and the process engine, install from the same file. Train and predict are resolved together: what both use has
one version.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uv

from trainyard import console
from trainyard.build_settings import index_environment, index_options
from trainyard.errors import TrainyardError
from trainyard.files import read_text, write_whole
from trainyard.index_errors import explain_index
from trainyard.model_dir import ROLES, ModelDir
from trainyard.repository import Repository
from trainyard.settings import HostSettings

OLDEST_PYTHON = "3.11"
HEADER = "# trainyard lock of inputs sha256:"
RUNTIME = Path("builders") / "base" / "requirements.txt"


class Unresolved(TrainyardError):
    """A lock that would have to be asked of the package index."""


@dataclass(frozen=True)
class Lock:
    """The text of a lock file and where it came from."""

    text: str
    source: str
    committed: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Requirement:
    """One requirements file, under the name that messages give it."""

    path: Path
    text: str


def lock_path(model: ModelDir, role: str) -> Path:
    """The lock that is committed beside the requirements."""
    return model.path / f"requirements_{role}.lock"


def read_requirement(path: Path) -> Requirement:
    return Requirement(path, read_text(path))


@dataclass(frozen=True)
class Resolver:
    """Turns requirements into locks; in a dry run only those that are known already. ``known_only``: whoever asks for
    another gets an Unresolved."""

    repository: Repository
    settings: HostSettings
    dry_run: bool = False
    known_only: bool = False

    @property
    def runtime(self) -> Requirement:
        """What the daemon needs, in every image."""
        return read_requirement(self.repository.package / RUNTIME)

    def model_lock(self, model: ModelDir, role: str) -> Lock:
        """The lock of one model's role: the committed one where it is up to date, else resolved now and remembered.

        Raises:
            TrainyardError: no requirements file, or requirements that cannot be resolved.
        """
        inputs = self._inputs(model)
        committed = lock_path(model, role)
        if committed.is_file():
            text = read_text(committed)
            if text.startswith(HEADER + _digest(inputs)):
                return Lock(text, str(committed), committed=True)
            if not self.known_only:
                console.warn(f"{committed}: stale, its requirements have changed: run make lock")
        return self.together(inputs)[ROLES.index(role)]

    def write_locks(self, model: ModelDir) -> list[Path]:
        """``make lock``: resolve anew and write both lock files beside the requirements."""
        locks = self.together(self._inputs(model), renew=True)
        paths = [lock_path(model, role) for role in ROLES]
        for path, lock in zip(paths, locks, strict=True):
            if not self.dry_run:
                write_whole(path, lock.text)
        return paths

    def together(
        self, inputs: tuple[Requirement, ...], *, preferred: str = "", renew: bool = False
    ) -> tuple[Lock, ...]:
        """Locks of every input but the last; the last one, the runtime's, is part of each.

        Remembered under the hash of the inputs, so that nothing is asked of the index twice; ``renew`` asks all the
        same. ``preferred`` is the text of locks whose versions are taken wherever the requirements allow it.
        """
        digest = _digest(inputs, preferred)
        folder = self.repository.state / "locks" / digest[:16]
        *models, runtime = inputs
        paths = [folder / f"{number}.lock" for number in range(len(models))]
        if renew or not all(path.is_file() for path in paths):
            if self.known_only:
                raise Unresolved(f"{' and '.join(str(item.path) for item in models)}: not resolved yet")
            if self.dry_run:
                console.result(f"uv pip compile --universal {' '.join(str(item.path) for item in inputs)}")
                return tuple(Lock("", "not resolved in a dry run") for _ in models)
            folder.mkdir(parents=True, exist_ok=True)
            with console.waiting(f"Resolving {', '.join(self._short(item.path) for item in models)} ..."):
                union = self.compile(inputs, preferred=preferred)
                for item, path in zip(models, paths, strict=True):
                    text = union if len(models) == 1 else self.compile((item, runtime), constraint=union)
                    write_whole(path, f"{HEADER}{digest}\n{text}")
        return tuple(Lock(read_text(path), "resolved now, not committed") for path in paths)

    def compile(self, inputs: tuple[Requirement, ...], *options: str, constraint: str = "", preferred: str = "") -> str:
        """``uv pip compile``: a lock with hashes for every supported Python and platform.

        Raises:
            TrainyardError: it cannot be resolved; the message carries uv's first reason.
        """
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            # Copies under equal names, so that two inputs with equal requirements get equal locks, byte for byte.
            files = [scratch / f"{number}.txt" for number in range(len(inputs))]
            for file, item in zip(files, inputs, strict=True):
                file.write_text(item.text, encoding="utf-8")
            (scratch / "constraints.txt").write_text(constraint, encoding="utf-8")
            lock = scratch / "lock.txt"
            lock.write_text(_pins(preferred), encoding="utf-8")  # uv prefers what its output file says already
            self._uv(
                [
                    "pip", "compile", "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes",
                    "--no-header", "--no-annotate", "--quiet", *index_options(self.settings), *options,
                    "--constraint", "constraints.txt", "--output-file", "lock.txt", *(file.name for file in files),
                ],
                scratch,
                inputs,
            )  # fmt: skip
            return lock.read_text(encoding="utf-8")

    def _uv(self, arguments: list[str], folder: Path, inputs: tuple[Requirement, ...]) -> None:
        """An index that sends a byte now and then is never silent: so there is a limit on the whole, too."""
        limit = self.settings.build_timeout
        try:
            done = subprocess.run(
                [uv.find_uv_bin(), *arguments], cwd=folder, capture_output=True, text=True, check=False,
                env={**os.environ, **index_environment(self.settings)}, timeout=limit or None,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TrainyardError(
                f"{_names(inputs)}: cannot be resolved: the package index took longer than {limit} s",
                "check the network and INDEX_URL, or set BUILD_TIMEOUT to allow more seconds",
            ) from None
        if done.returncode:
            if trouble := explain_index(done.stderr, self.settings):
                raise TrainyardError(f"{_names(inputs)}: cannot be resolved: {trouble.message}", trouble.hint)
            raise TrainyardError(_explain(done.stderr, inputs), "mend the requirements, or the network and INDEX_URL")

    def _inputs(self, model: ModelDir) -> tuple[Requirement, ...]:
        return (*(read_requirement(model.requirements(role)) for role in ROLES), self.runtime)

    def _short(self, path: Path) -> str:
        root = self.repository.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _pins(lock: str) -> str:
    """``name==version`` of each package, the first of several."""
    pins: dict[str, str] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE):
        pins.setdefault(name, version)
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def _names(inputs: tuple[Requirement, ...]) -> str:
    return " and ".join(str(item.path) for item in inputs[:-1])


def _explain(stderr: str, inputs: tuple[Requirement, ...]) -> str:
    reason = " ".join(stderr.encode("ascii", "ignore").decode().split())  # without uv's drawing
    for number, item in enumerate(inputs):
        reason = reason.replace(f"{number}.txt", item.path.name)
    return f"{_names(inputs)}: cannot be resolved: {reason.removeprefix('error: ').rstrip('.')}"


def _digest(inputs: tuple[Requirement, ...], preferred: str = "") -> str:
    digest = hashlib.sha256(OLDEST_PYTHON.encode())  # the header of every committed lock holds what this gives
    for text in (*(item.text for item in inputs), *([_pins(preferred)] if preferred else [])):
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()
