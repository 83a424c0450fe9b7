"""What every engine can do, and the values that it is told with. The words are a container's: the process engine's
image is a folder, its container a process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from trainyard.host.build.baked_files import BakedFile, listed
from trainyard.host.engines.container_output import Conversation, Output
from trainyard.host.monorepo.model_dir import Role
from trainyard.host.requirements.install_target import Target
from trainyard.host.requirements.local_packages import FOLDER, LocalPackage
from trainyard.host.requirements.lock_files import packages_of
from trainyard.host.secrets.leaks import Finding, Look
from trainyard.host.support.context import Context, ContextFile, make_context, text_file
from trainyard.host.support.digests import digest_of

DAMAGED = "what is installed is damaged"  # how builders/common/damage.sh says so


@dataclass(frozen=True)
class BuildPlan:
    """One image to build: ``lock`` and ``setup`` decide the dependency image, ``context`` what comes on top, ``baked``
    what lies in its models/. ``more_locks`` are of further groups of models (GROUPS=auto), each with an environment of
    its own. Where it is not ``locked``, ``lock`` is the text of a requirements.txt. ``setup_files`` lie beside setup.sh
    where it is run. ``labels`` say where the image came from; they change nothing else. ``local_packages`` are files
    that the locks name by their hashes, and that no index has."""

    image: str
    role: Role
    context: Context
    lock: str
    setup: bytes = b""
    baked: tuple[BakedFile, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
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
class BuiltImage:
    """An image that is there. ``id`` is this one's, whatever its name moves to. ``identity`` is that of the plan that
    it was built from; empty where it was not built by us."""

    id: str
    identity: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Mount:
    """A folder of the host at ``target``, a path below the application folder (``models``, ``data``)."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class RunPlan:
    """One container to run. ``port`` is published on ``bind`` and reaches the server inside; 0: nothing is.
    ``hardened``: it gets no more rights than serving, or training, needs: engines.confining. ``output`` is given what
    it says in the foreground; without one it has our own standard output. ``arguments`` are the run script's.
    ``image_id``: run exactly this image, not what the name has moved to since. ``host_network``: it reaches what the
    host reaches, by the same addresses."""

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
    host_network: bool = False


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


class Engine(Protocol):
    """Builds images and runs containers. A method that fails raises TrainyardError."""

    @property
    def name(self) -> str:
        """As ENGINE names it."""

    def unavailable(self) -> str:
        """Why this engine does not answer; empty where it does."""

    def ensure_builders(self) -> None:
        """Build the builder images, where they are not there or not of today's sources."""

    def built(self, names: Iterable[str]) -> dict[str, str]:
        """Those of ``names`` that are images of this engine, each with the identity of what it was built from; that
        is empty where it was not built by us."""

    def find(self, image: str) -> BuiltImage | None:
        """The image of that name; None where there is none."""

    def facts(self, image: str) -> dict[str, Any]:
        """What ``builders/facts.py`` finds in an image; empty in a dry run."""

    def identity(self, plan: BuildPlan) -> str:
        """A hash over all that decides what building ``plan`` gives: its files, its lock, the scripts, the base; empty
        where the builder images have to be built first."""

    def build(self, plan: BuildPlan) -> bool:
        """Build an image, unless it is there and of the same identity; whether there was something to build. Its name
        moves to the new image only when that is complete."""

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        """Look through everything that is kept of ``images``: files of each layer, environment, labels, history. What
        has findings."""

    def python(self) -> Python:
        """That of this engine's images."""

    def target(self) -> Target:
        """What its images install packages for; of a base image that is not here yet, as far as its name says."""

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        """Run ``uv`` where packages may be built: on the files of ``folder``, in which it writes ``lock.txt``. Its
        status, and what it complained about."""

    def run(self, plan: RunPlan) -> int:
        """Run in the foreground until it ends, or until Ctrl-C ends it; its exit status."""

    def converse(self, plan: RunPlan) -> Conversation:
        """Start with a standard input that we write to; whoever calls has to close the conversation. Not in a dry
        run, where ``run`` shows the same."""

    def start(self, plan: RunPlan) -> None:
        """Start in the background."""

    def alive(self, name: str) -> bool:
        """Whether the container of that name runs."""

    def stop(self, name: str) -> bool:
        """Stop and remove a container; False where there was none."""

    def logs(self, name: str, follow: bool) -> None:
        """Print what a container that was started in the background has said."""

    def last_lines(self, name: str, count: int) -> list[str]:
        """The last lines that a container said, crashed ones included."""

    def shell(self, plan: RunPlan) -> int:
        """An interactive shell in a container of that image."""

    def running(self) -> list[Running]:
        """The servers that run, those of other monorepos included: they hold ports, too."""

    def remove_image(self, image: str) -> bool:
        """Remove an image; False where there was none."""

    def remove_leftovers(self) -> None:
        """Remove what builds of this monorepo that were killed have left behind."""

    def unused(self) -> dict[str, int]:
        """Dependencies of ours that no image is built on any more, in the order to remove them, and the bytes that each
        has for itself."""

    def removable(self, images: Iterable[str]) -> dict[str, int]:
        """Likewise all of ours that is outside of the state folder: this clone's ``images``, and what clones share, but
        for what an image of another clone is built on."""

    def remove_unused(self, name: str) -> bool:
        """Remove one of either; False where it is used again."""
