"""A compute that a shell reaches: this machine, or a host by ssh. ``far.sh`` beside this file is its other half."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources as package_files
from pathlib import Path

from trainyard.errors import EXIT_FAILED, EXIT_KILLED, TrainyardError
from trainyard.host.compute.base import (
    GRACE,
    TIMED_OUT,
    AwayError,
    Condition,
    FoundTask,
    Heard,
    InputFile,
    LostError,
    State,
    Task,
    limit_reached,
)
from trainyard.host.compute.pushing import pushed
from trainyard.host.compute.shell.container_command import CHECKPOINTS, FOLDERS, container_command
from trainyard.host.compute.shell.far_worker import FarWorker
from trainyard.host.compute.shell.transport import SSH_FAILED, Shell
from trainyard.host.compute.tar_streams import unpack_tar, write_tar
from trainyard.host.engines.container_output import Conversation, attached
from trainyard.host.engines.engine import ExportedImage
from trainyard.host.support.reporter import Reporter
from trainyard.settings.host import SECRETS

_FAR = (package_files.files("trainyard.host.compute.shell") / "far.sh").read_text()
_POLL = 0.5  # seconds between two looks at what a task prints
_MOST = 4 << 20  # bytes of that at once
_ENGINE_FAILED = 125  # the exit status of an engine's own failures
_SIGNALLED = 128  # and the number of the signal


@dataclass(frozen=True)
class ShellCompute:
    """``entry`` as compute.yaml has it; ``patience``: seconds for which the machine may be away."""

    name: str
    kind: str
    shell: Shell
    folder: str
    engine: str
    registry: str
    patience: int
    reporter: Reporter

    def far(self, verb: str, *arguments: str, given: bytes = b"") -> str:
        """What ``far.sh`` answers; it may be given many lines, and takes its time for them."""
        limit = self.shell.copy if given else self.shell.call
        answer = self.shell.ask(_FAR, self.folder, verb, *arguments, given=given, limit=limit)
        return answer.decode(errors="replace")

    @property
    def place(self) -> str:
        """Where tasks are, in words."""
        return f"{self.shell.host or 'this machine'}:{self.folder}"

    def condition(self) -> Condition:
        place = self.place
        try:
            self.shell.ask(f"{self.engine} version >/dev/null")
            self.far("has", *self.needs().split())
            running = sum(task.state in ("running", "waiting") for task in self.tasks())
            return Condition(self.name, self.kind, place, "", running, self.free())
        except TrainyardError as error:
            return Condition(self.name, self.kind, place, str(error).removeprefix(f"compute {self.name}: "))

    def needs(self) -> str:
        """Programs that have to be there."""
        return "flock setsid sha256sum tar timeout"

    def free(self) -> str:
        """What is free there, in words."""
        return self.far("free").strip()

    def provide(self, image: ExportedImage) -> str:
        if self.registry:
            reference = pushed(image, self.registry, self.patience, self.reporter)
            with self.reporter.waiting(f"{self.name} pulls the image ..."):
                self.shell.ask(f"{self.engine} pull --quiet {reference} >/dev/null", limit=self.shell.copy)
            return reference
        if not self.shell.ask(f"{self.engine} image inspect --format there {image.id} 2>/dev/null || true").strip():
            with self.reporter.waiting(f"Sending the image to {self.name} ..."):
                self.shell.send(image.saved(), f"{self.engine} load --quiet >/dev/null")
        return image.id

    def shown(self, task: Task) -> list[str]:
        hidden = replace(task, env={name: "***" if name in SECRETS else value for name, value in task.env.items()})
        command = container_command(self.engine, hidden, GRACE).splitlines()
        return [f"on {self.place}, in tasks/{task.name}:", *(f"    {line}" for line in command)]

    def submit(self, task: Task, *, again: bool = False) -> None:
        if again:
            self.far("again", task.name)
        self._send(task.inputs)
        labels = [f"{name} {value}" for name, value in sorted(task.labels.items())]
        made = [*FOLDERS, CHECKPOINTS, *task.made]
        files = [f"{one.sha256} {one.place}" for one in task.inputs]
        command = container_command(self.engine, task, GRACE)
        layout = "\n".join([*labels, "=", *(f"- {folder}" for folder in made), *files, "", command])
        self.far("task", task.name, given=layout.encode())
        if not task.workers:
            self.start(task)

    def start(self, task: Task) -> None:
        """What is there begins."""
        self.far("start", task.name)

    def _send(self, inputs: Sequence[InputFile]) -> None:
        """Files go there once, by content."""
        wanted = {one.sha256: one for one in inputs}
        if not wanted:
            return
        missing = self.far("missing", given="".join(f"{sha256}\n" for sha256 in wanted).encode()).split()
        if not missing:
            return
        size = sum(wanted[sha256].size for sha256 in missing)
        with (
            self.reporter.waiting(f"Sending {len(missing)} files ({size / 1e6:.1f} MB) to {self.name} ..."),
            self.shell.talk(_FAR, self.folder, "data", limit=self.shell.copy) as (stdin, _),
        ):
            write_tar(stdin, {sha256: wanted[sha256] for sha256 in missing})

    def follow(self, task: str, heard: Heard, *, wait: bool = True) -> int:
        seen, silent_since = 0, time.monotonic()
        while True:
            try:
                state, printed = self._look(task, seen)
            except AwayError:
                if time.monotonic() - silent_since > self.patience:
                    raise
                time.sleep(_POLL)
                continue
            silent_since = time.monotonic()
            heard(printed)
            seen += len(printed)
            if len(printed) == _MOST:
                continue
            what, *more = state.split()
            if what in ("gone", "lost"):
                raise self.loss(task, what)
            if not wait:
                return 0
            if what == "over":
                return self.ended(task, int(more[0]), more[1:] == ["true"])
            time.sleep(_POLL)

    def _look(self, task: str, seen: int) -> tuple[str, bytes]:
        answer = self.shell.ask(_FAR, self.folder, "look", task, str(seen), str(_MOST))
        state, _, printed = answer.partition(b"\n")
        return state.decode(errors="replace"), printed

    def ended(self, task: str, status: int, out_of_memory: bool) -> int:
        """Its exit status.

        Raises:
            LimitError: a limit of its own has ended it.
        """
        if status == TIMED_OUT:
            raise limit_reached(task, self.name, "time")
        if status == EXIT_KILLED and out_of_memory:
            raise limit_reached(task, self.name, "memory")
        return status

    def loss(self, task: str, what: str) -> TrainyardError:
        """Why a task is there no more."""
        if what == "gone":
            return LostError(f"compute {self.name} has no task {task} any more", "train again", EXIT_FAILED)
        return LostError(f"{task} was ended on {self.name}: the machine was started again, or it was killed", "", 1)

    def fetch(self, task: str, folder: Path) -> None:
        with (
            self.reporter.waiting(f"Fetching what {task} wrote from {self.name} ..."),
            self.shell.talk(_FAR, self.folder, "fetch", task, limit=self.shell.copy) as (_, stdout),
        ):
            unpack_tar(stdout, folder)

    def clean_up(self, task: str) -> None:
        self.far("end", task, self.engine, str(GRACE))
        self.far("remove", task, self.engine, str(GRACE))

    def converse(self, task: str, worker: int, heard: Callable[[bytes, bool], None]) -> Conversation:
        argv = self.shell.argv(_FAR, self.folder, *self.worker(task, worker))
        return FarWorker(
            lambda output: attached(argv, output, apart=True),
            lambda: self.far("kill", f"{task}-{worker}", self.engine), heard, self.is_away, self.is_lost,
            self.patience,
        )  # fmt: skip

    def is_away(self, status: int) -> bool:
        """Whether a program there could not be reached, by its exit status."""
        return bool(self.shell.host) and status == SSH_FAILED

    def is_lost(self, status: int, complaints: str) -> bool:
        """Whether a worker was ended from outside, or cannot be reached any more: 0 is what it ends with where nobody
        talks to it any more."""
        return status in (0, _ENGINE_FAILED) or status > _SIGNALLED

    def worker(self, task: str, number: int) -> list[str]:
        """What ``far.sh`` is asked for, to start a worker."""
        return ["worker", task, str(number)]

    def drop_data(self, days: int, *, dry_run: bool) -> int:
        return int(self.far("unread", str(days), *([] if dry_run else ["remove"])))

    def tasks(self) -> list[FoundTask]:
        return [_found(*line.split()) for line in self.far("tasks").splitlines()]


def _found(name: str, state: str, *labels: str) -> FoundTask:
    known = dict(zip(labels[::2], labels[1::2], strict=False))
    now: State = "over" if state == "over" else "gone" if state == "lost" else "running"
    return FoundTask(name, known.get("run", ""), known.get("clone", ""), now, int(known.get("until", 0)))
