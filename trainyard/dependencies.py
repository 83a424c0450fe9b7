"""Requirements to a lock, a lock to the identity of a dependency image.

uv resolves; the lock has hashes and holds for every supported Python, so that containers with another Python than the
host's, and the process engine, install from the same file. Train and predict are resolved together: what both use has
one version.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uv

from trainyard import console
from trainyard.build_settings import index_environment
from trainyard.errors import TrainyardError
from trainyard.files import write_whole
from trainyard.model_dir import ROLES, ModelDir
from trainyard.repository import Repository
from trainyard.settings import HostSettings

OLDEST_PYTHON = "3.11"
HEADER = "# trainyard lock of inputs sha256:"
RUNTIME = Path("builders") / "base" / "requirements.txt"


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


def model_lock(model: ModelDir, role: str, repository: Repository, settings: HostSettings) -> Lock:
    """The lock of one model's role: the committed one where it is up to date, else resolved now and remembered.

    Raises:
        TrainyardError: no requirements file, or requirements that cannot be resolved.
    """
    inputs = _inputs(model, repository)
    committed = lock_path(model, role)
    if committed.is_file():
        text = committed.read_text(encoding="utf-8")
        if text.startswith(HEADER + _digest(inputs)):
            return Lock(text, str(committed), committed=True)
        console.warn(f"{committed}: stale, its requirements have changed: run make lock")
    return resolve_together(inputs, repository, settings)[ROLES.index(role)]


def _inputs(model: ModelDir, repository: Repository) -> tuple[Requirement, ...]:
    paths = [model.requirements(role) for role in ROLES]
    return (*(read_requirement(path) for path in paths), runtime_requirement(repository))


def read_requirement(path: Path) -> Requirement:
    return Requirement(path, path.read_text(encoding="utf-8"))


def runtime_requirement(repository: Repository) -> Requirement:
    """What the daemon needs, in every image."""
    return read_requirement(repository.package / RUNTIME)


def resolve_together(
    inputs: tuple[Requirement, ...], repository: Repository, settings: HostSettings, *, renew: bool = False
) -> tuple[Lock, ...]:
    """Locks of every input but the last; the last one, the runtime's, is part of each.

    Remembered under the hash of the inputs, so that nothing is asked of the index twice; ``renew`` asks all the same.
    """
    digest = _digest(inputs)
    folder = repository.state / "locks" / digest[:16]
    *models, runtime = inputs
    paths = [folder / f"{number}.lock" for number in range(len(models))]
    if renew or not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        with console.waiting(f"Resolving {', '.join(_short(item.path, repository) for item in models)} ..."):
            union = compile_requirements(inputs, None, settings)
            for item, path in zip(models, paths, strict=True):
                text = union if len(models) == 1 else compile_requirements((item, runtime), union, settings)
                write_whole(path, f"{HEADER}{digest}\n{text}")
    return tuple(Lock(path.read_text(encoding="utf-8"), "resolved now, not committed") for path in paths)


def compile_requirements(
    inputs: tuple[Requirement, ...], constraint: str | None, settings: HostSettings, *options: str
) -> str:
    """``uv pip compile``: a lock with hashes for every supported Python and platform.

    Raises:
        TrainyardError: it cannot be resolved; the message carries uv's first reason.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # Copies under equal names, so that two inputs with equal requirements get equal locks, byte for byte.
        files = [Path(scratch) / f"{number}.txt" for number in range(len(inputs))]
        for file, item in zip(files, inputs, strict=True):
            file.write_text(item.text, encoding="utf-8")
        constrained = []
        if constraint is not None:
            (Path(scratch) / "constraints.txt").write_text(constraint, encoding="utf-8")
            constrained = ["--constraint", str(Path(scratch) / "constraints.txt")]
        done = subprocess.run(
            [
                uv.find_uv_bin(), "pip", "compile", "--universal", "--python-version", OLDEST_PYTHON,
                "--generate-hashes", "--no-header", "--no-annotate", "--quiet",
                *options, *constrained, *map(str, files),
            ],
            capture_output=True, text=True, check=False, env={**os.environ, **index_environment(settings)},
        )  # fmt: skip
    if done.returncode:
        raise TrainyardError(_explain(done.stderr, inputs), "mend the requirements, or the network and INDEX_URL")
    return done.stdout


def _explain(stderr: str, inputs: tuple[Requirement, ...]) -> str:
    names = " and ".join(str(item.path) for item in inputs[:-1])
    reason = " ".join(stderr.encode("ascii", "ignore").decode().split())  # without uv's drawing
    for number, item in enumerate(inputs):
        reason = reason.replace(f"{number}.txt", item.path.name)
    return f"{names}: cannot be resolved: {reason}"


def _digest(inputs: tuple[Requirement, ...]) -> str:
    digest = hashlib.sha256(OLDEST_PYTHON.encode())
    for item in inputs:
        digest.update(b"\0" + item.text.encode())
    return digest.hexdigest()


def _short(path: Path, repository: Repository) -> str:
    return str(path.relative_to(repository.root)) if path.is_relative_to(repository.root) else str(path)


def write_locks(model: ModelDir, repository: Repository, settings: HostSettings) -> list[Path]:
    """``make lock``: resolve anew and write both lock files beside the requirements."""
    locks = resolve_together(_inputs(model, repository), repository, settings, renew=True)
    paths = [lock_path(model, role) for role in ROLES]
    for path, lock in zip(paths, locks, strict=True):
        write_whole(path, lock.text)
    return paths
