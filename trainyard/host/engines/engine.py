"""What an engine is: the images that it keeps, what builds them, what runs containers of them. Whoever calls takes the
narrowest of the three that it needs. A method that fails raises TrainyardError."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trainyard.host.engines.base import BuildPlan, BuiltImage, ProgramPlan, Python, Running, RunPlan, Stored
from trainyard.host.engines.container_output import Conversation
from trainyard.host.requirements.install_target import Target
from trainyard.host.secrets.leaks import Look


class ExportedImage(Protocol):
    """An image on its way to another engine."""

    @property
    def id(self) -> str:
        """Its digest here, ``sha256:...``."""

    def push(self, registry: str, tag: str = "") -> str:
        """Push it as ``tag``, or by the first digits of its id, only the layers that are missing there; how it is
        called there, by digest."""

    def saved(self) -> list[str]:
        """A command that writes it to standard output, as ``docker load`` reads it."""


class Images(Protocol):
    """The images that an engine keeps."""

    def built(self, names: Iterable[str]) -> dict[str, str]:
        """Those of ``names`` that are images of this engine, each with the identity of what it was built from; that
        is empty where it was not built by us."""

    def find(self, image: str) -> BuiltImage | None:
        """The image of that name; None where there is none."""

    def facts(self, image: str) -> dict[str, Any]:
        """What ``builders/facts.py`` finds in an image; empty in a dry run."""

    def search(self, images: Iterable[str], look: Look) -> Iterator[Stored]:
        """Look through everything that is kept of ``images``: files of each layer, environment, labels, history. What
        has findings."""

    def remove(self, image: str) -> bool:
        """Remove an image; False where there was none."""

    def unused(self) -> dict[str, int]:
        """Dependencies of ours that no image is built on any more, in the order to remove them, and the bytes that each
        has for itself."""

    def removable(self, images: Iterable[str]) -> dict[str, int]:
        """Likewise all of ours that is outside of the state folder: this clone's ``images``, and what clones share, but
        for what an image of another clone is built on."""

    def remove_unused(self, name: str) -> bool:
        """Remove one of either; False where it is used again."""

    def exported(self, image: str, image_id: str) -> ExportedImage:
        """The image of that name and id, for another engine."""


class Builder(Protocol):
    """Builds images."""

    def ensure_builders(self) -> None:
        """Build the builder images, where they are not there or not of today's sources."""

    def identity(self, plan: BuildPlan) -> str:
        """A hash over all that decides what building ``plan`` gives: its files, its lock, the scripts, the base; empty
        where the builder images have to be built first."""

    def has_dependencies(self, plan: BuildPlan) -> bool:
        """Whether the packages of its locks are installed, so that building ``plan`` asks no index."""

    def build(self, plan: BuildPlan) -> bool:
        """Build an image, unless it is there and of the same identity; whether there was something to build. Its name
        moves to the new image only when that is complete."""

    def build_program(self, plan: ProgramPlan) -> bool:
        """Build the image of a server of ours, unless it is there and of the same plan; whether there was something to
        build."""

    def remove_leftovers(self) -> None:
        """Remove what builds of this monorepo that were killed have left behind."""

    def python(self) -> Python:
        """That of the images."""

    def target(self) -> Target:
        """What the images install packages for; of a base image that is not here yet, as far as its name says."""

    def compile(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        """Run ``uv`` where packages may be built: on the files of ``folder``, in which it writes ``lock.txt``. Its
        status, and what it complained about."""


class Runner(Protocol):
    """Runs containers of images."""

    def run(self, plan: RunPlan) -> int:
        """Run in the foreground until it ends, or until Ctrl-C ends it; its exit status."""

    def converse(self, plan: RunPlan) -> Conversation:
        """Start with a standard input that we write to; whoever calls has to close the conversation. Not in a dry
        run, where ``run`` shows the same."""

    def start(self, plan: RunPlan) -> None:
        """Start in the background."""

    def shell(self, plan: RunPlan) -> int:
        """An interactive shell in a container of that image."""

    def alive(self, name: str) -> bool:
        """Whether the container of that name runs."""

    def stop(self, name: str) -> bool:
        """Stop and remove a container; False where there was none."""

    def logs(self, name: str, follow: bool) -> None:
        """Print the output of a container that was started in the background."""

    def last_lines(self, name: str, count: int) -> list[str]:
        """The last lines of a container's output, crashed ones included."""

    def written(self) -> int:
        """The bytes that containers of this monorepo have written outside of what is mounted."""

    def running(self) -> list[Running]:
        """The servers that run, those of other monorepos included: they hold ports, too."""


@dataclass(frozen=True)
class Engine:
    """One engine of this machine.

    Attributes:
        name: as ENGINE names it.
        unavailable: why the engine does not answer; empty where it does.
    """

    name: str
    unavailable: Callable[[], str]
    images: Images
    builder: Builder
    runner: Runner
