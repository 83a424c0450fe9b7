"""The values that engines take and return. The words are a container's: the process engine's image is a folder, its
container a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from trainyard.contract.base_models import FOLDER as BASE_MODEL
from trainyard.contract.records import LINKED
from trainyard.contract.run_folder import MOUNT, MOUNT_OF_ALL
from trainyard.host.build.baked_files import BakedFile, listed
from trainyard.host.engines.container_output import Output
from trainyard.host.monorepo.model_dir import Role
from trainyard.host.requirements.local_packages import FOLDER, LocalPackage
from trainyard.host.requirements.lock_files import packages_of
from trainyard.host.secrets.leaks import Finding
from trainyard.host.support.context import Context, ContextFile, make_context, text_file
from trainyard.host.support.digests import digest_of


@dataclass(frozen=True)
class BuildPlan:
    """One image to build: ``lock`` and ``setup`` decide the dependency image, ``context`` what comes on top, ``baked``
    what lies in its models/. ``more_locks`` are of further groups of models (GROUPS=auto), each with an environment of
    its own. Where it is not ``locked``, ``lock`` is the text of a requirements.txt. ``setup_files`` lie beside setup.sh
    where it is run. ``labels`` say where the image came from; they change nothing else, and are asked for once it is
    built: git takes its time. ``local_packages`` are files that the locks name by their hashes, and no index has."""

    image: str
    role: Role
    context: Context
    lock: str
    setup: bytes = b""
    baked: tuple[BakedFile, ...] = ()
    labels: Callable[[], Mapping[str, str]] = dict
    more_locks: tuple[str, ...] = ()
    locked: bool = True
    setup_files: tuple[ContextFile, ...] = ()
    local_packages: tuple[LocalPackage, ...] = ()

    @property
    def setup_identity(self) -> bytes:
        """Of setup.sh and the files that it is given."""
        more = make_context(self.setup_files).sha256 if self.setup_files else ""
        return self.setup + more.encode()

    @property
    def locks(self) -> tuple[str, ...]:
        """One for each environment."""
        return self.lock, *self.more_locks

    @property
    def packages(self) -> tuple[str, ...]:
        """What of each lock is installed."""
        return tuple(map(packages_of, self.locks))

    def beside(self, lock: str) -> list[ContextFile]:
        """The files of packages that come along for a lock, for the context of what installs it."""
        found = (package for package in self.local_packages if package.hash in lock)
        return [text_file(f"{FOLDER}/{package.filename}", package.content) for package in found]

    @property
    def contents(self) -> str:
        """A hash over the name and all that this image adds to what it is built on."""
        return digest_of(self.image, self.context.sha256, listed(self.baked))


@dataclass(frozen=True)
class ProgramPlan:
    """An image of one of our own servers: ``lock`` and ``setup`` decide what it stands on, ``context`` comes on top.
    ``command`` is run in ``folder``, where ``context`` is; any uid of group 0 may write to ``writable``."""

    image: str
    context: Context
    lock: str
    setup: bytes
    folder: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    writable: tuple[str, ...]


@dataclass(frozen=True)
class BuiltImage:
    """An image that is there. ``id`` is this one's, whatever its name moves to. ``identity`` is that of the plan that
    it was built from; empty where it was not built by us."""

    id: str
    identity: str
    labels: Mapping[str, str]


Network = Literal["own", "host", "none"]
What = Literal["datasets", "models", "models of one project", "run", "runs", "base model"]
# Where an image looks for each, below its application folder.
PLACES: Mapping[What, str] = {
    "datasets": "data",
    "models": "models",
    "models of one project": f"models/{LINKED}",  # in a folder of its name
    "run": MOUNT,
    "runs": MOUNT_OF_ALL,
    "base model": BASE_MODEL,
}


@dataclass(frozen=True)
class Mount:
    """What a container has of the host, and the host's folder with it. Who runs the container decides how it gets
    there. ``project`` is for "models of one project" of several alone."""

    what: What
    folder: Path
    read_only: bool = False
    project: str = ""

    @property
    def target(self) -> PurePosixPath:
        """Where an image looks for it, below its application folder."""
        return PurePosixPath(PLACES[self.what], self.project)


@dataclass(frozen=True)
class RunPlan:
    """One container to run. ``port`` is published on ``bind`` and reaches the server inside; 0: nothing is.
    ``hardened``: it gets no more rights than serving, or training, needs: engines.confining. ``output`` is given what
    it says in the foreground; without one it has our own standard output. ``arguments`` are the run script's.
    ``image_id``: run exactly this image, not what the name has moved to since. ``network``: of a
    container's own, as the engine gives it one; the host's, so that it reaches what the host reaches, by the same
    addresses; or none."""

    image: str
    name: str
    role: Role
    model: str
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    bind: str = "127.0.0.1"
    port: int = 0
    hardened: bool = False
    output: Output | None = None
    arguments: tuple[str, ...] = ()
    image_id: str = ""
    network: Network = "own"


@dataclass(frozen=True)
class Running:
    """A server that runs: its container's name, what it serves, where it listens, which monorepo it is of."""

    name: str
    model: str
    port: int
    root: str


@dataclass(frozen=True)
class Python:
    """What wheels are chosen by: version, processor, version of glibc (empty where there is none)."""

    version: str
    machine: str
    glibc: str

    # Prints them, in this order, a line each.
    PROGRAM: ClassVar[str] = (
        "import platform as p; print(p.python_version(), p.machine(), p.libc_ver()[1], sep=chr(10))"
    )

    @classmethod
    def parse(cls, printed: str) -> Python:
        version, machine, glibc = [*printed.split(), ""][:3]
        return cls(version, machine, glibc)


@dataclass(frozen=True)
class Stored:
    """One file as it lies in an image, or what an image says of itself. ``place`` is the layer and what made it,
    ``path`` where in it; ``images`` are those that have it."""

    images: tuple[str, ...]
    place: str
    path: str
    findings: tuple[Finding, ...]
