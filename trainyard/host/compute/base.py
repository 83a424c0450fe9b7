"""What a compute is: it runs a task, which goes on when whoever submitted it is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.compute_file import Resources
from trainyard.host.engines.container_output import Conversation
from trainyard.host.engines.engine import ExportedImage

PREFIX = "ty-"
# It is not there (yet, or any more), waits for a place, runs, or is over.
State = Literal["gone", "waiting", "running", "over"]
Heard = Callable[[bytes], None]
TIMED_OUT = 124  # the exit status of timeout(1)
GRACE = 30  # seconds that a task gets to end by itself
LONGEST = 30 * 86400  # seconds after which a task is nobody's any more, where compute.yaml does not limit it


class LostError(TrainyardError):
    """A task ended by no fault of its own: its machine went, or was taken away. It can begin again."""


class AwayError(TrainyardError):
    """The compute does not answer. What runs there goes on."""


class RefusedError(TrainyardError):
    """The compute takes no such task, however often it is asked."""


class LimitError(RefusedError):
    """It needs more than it may have."""


@dataclass(frozen=True)
class InputFile:
    """A file that a task reads: its place below the application folder, and where it is here."""

    place: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredInput:
    """A file that a task reads where it is: its place below the application folder, and its path in a data store, by
    name. ``version`` is what the store calls it."""

    place: str
    store: str
    path: str
    size: int
    version: str


@dataclass(frozen=True)
class Task:
    """What runs on a compute: an image, as its engine there calls it, and what its container has.

    ``name`` is that of no other task anywhere. ``made`` are folders below the application folder that are there, empty.
    ``labels`` say whose it is: ``run``, ``model``, ``clone``, and ``until`` as of a ``FoundTask``; values without
    spaces. ``workers``: of a tuning, each in a container of its own. ``offline``: it has no network. ``unknown``:
    secret variables that whoever submitted it had, and that nobody here knows.
    """

    name: str
    run: str
    model: str
    image: str
    env: Mapping[str, str]
    inputs: Sequence[InputFile] = ()
    made: Sequence[str] = ()
    resources: Resources = field(default_factory=Resources)
    workers: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    stored: Sequence[StoredInput] = ()
    unknown: Sequence[str] = ()


@dataclass(frozen=True)
class Condition:
    """A compute as it is now. ``problem``: why it cannot be used; ``lacks``: permissions that whoever asks does not
    have, by name."""

    name: str
    kind: str
    place: str
    problem: str = ""
    running: int = 0
    free: str = ""
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundTask:
    """A task that is on a compute, whoever submitted it. ``clone``: of which monorepo; ``until``: seconds since 1970
    after which nobody wants it any more."""

    name: str
    run: str
    clone: str
    state: State
    until: int


class Compute(Protocol):
    """One compute. A method that fails raises TrainyardError; AwayError where the compute does not answer."""

    @property
    def name(self) -> str:
        """In compute.yaml."""

    def condition(self) -> Condition:
        """How it is now; never raises."""

    def provide(self, image: ExportedImage) -> str:
        """Have an image there; how its engine calls it, by digest. Only what is missing is sent."""

    def shown(self, task: Task) -> list[str]:
        """What submitting it would run, in lines; for a dry run. Secrets are not shown."""

    def submit(self, task: Task, *, again: bool = False) -> None:
        """Begin a task. Where one of its name is there already, nothing happens; ``again``: it begins from its files
        and checkpoints once more."""

    def follow(self, task: str, heard: Heard, *, wait: bool = True) -> int:
        """Hand on what a task prints, from the beginning, until it has ended or waits to be fetched; its exit status.
        Without ``wait`` what it has printed so far, and 0.

        Raises:
            LostError: it has ended by no fault of its own, or is not there.
            RefusedError: a limit has ended it.
        """

    def fetch(self, task: str, folder: Path) -> None:
        """Copy what it wrote into ``folder``: ``models/`` and ``run/``."""

    def clean_up(self, task: str) -> None:
        """Remove all of it there; one that is not over ends first, in an orderly way as far as GRACE allows."""

    def converse(self, task: str, worker: int, heard: Callable[[bytes, bool], None]) -> Conversation:
        """Talk to a worker of a tuning, of which a task may have had others before; ``heard`` gets what it says, and
        whether on standard error. What it says first is that it is ready."""

    def tasks(self) -> list[FoundTask]:
        """Those of ours that are there."""


@runtime_checkable
class KeepsData(Protocol):
    """A compute on which files that trainings read stay, for the next one."""

    def drop_data(self, days: int, *, dry_run: bool) -> int:
        """Remove those that no training has begun with for so long; how many bytes they have."""


@runtime_checkable
class KeepsStorage(Protocol):
    """A compute whose storage only a container can look into."""

    def trim_storage(self, image: str, days: int) -> int:
        """As ``KeepsData.drop_data``, by a container of an image that was used there."""


def limit_reached(task: str, compute: str, limit: Literal["time", "memory"]) -> LimitError:
    """The error of a task that was ended because it took more than ``resources`` lets it have."""
    what = "took longer" if limit == "time" else "used more memory"
    fix = f"resources.{limit} in compute.yaml allows more"
    return LimitError(f"{task} {what} than it may on {compute}", fix, EXIT_FAILED)


def task_name(run: str) -> str:
    """Of the task of a run: a name as DNS, Slurm and file systems have them. A run's id begins with its time and ends
    with a random number, so that it is nobody else's."""
    day, time, *_ = f"{run}--".split("-")
    name = f"{PREFIX}{day}-{time}-{run.rpartition('-')[2]}".lower()
    if not re.fullmatch(r"[a-z0-9-]{4,50}", name):
        raise TrainyardError(f"{run}: not the id of a run", "", EXIT_FAILED)
    return name
