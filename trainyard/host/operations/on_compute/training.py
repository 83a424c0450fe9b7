"""A training on a compute, in the place of a container here: the same run, watched from afar and brought home."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainyard.contract import hosted, run_folder
from trainyard.errors import ENDED_BY_SIGNAL, EXIT_FAILED, EXIT_INTERRUPTED, TrainyardError
from trainyard.host.compute.base import (
    LONGEST,
    AwayError,
    Compute,
    InputFile,
    LostError,
    RefusedError,
    StoredInput,
    Task,
    task_name,
)
from trainyard.host.compute.compute_file import read_computes
from trainyard.host.compute.following import Listener
from trainyard.host.compute.inputs import inputs_of
from trainyard.host.compute.opening import open_compute
from trainyard.host.compute.placed import Placed, read_placed
from trainyard.host.compute.submitted import SubmittedTasks
from trainyard.host.engines.base import RunPlan
from trainyard.host.experiments.training import Foreground, LeftRunning, Training
from trainyard.host.operations.on_compute.bringing_home import bring_home
from trainyard.host.operations.on_compute.stored_data import stored_inputs
from trainyard.host.operations.session import Session
from trainyard.host.support.digests import digest_of


def runner_of(session: Session, training: Training) -> Foreground:
    """What trains: the engine here, or a compute.

    Raises:
        TrainyardError: there is no such compute.
    """
    if not training.compute:
        return session.engine.runner
    found = open_compute(session.repository.root, training.compute, session.computing, session.reporter)
    return OnCompute(session, found.compute, training.model.path, stored_inputs(training))


def clone_mark(root: Path) -> str:
    """It tells monorepos apart, wherever they are."""
    return digest_of(socket.gethostname(), str(root))[:12]


def task_of(session: Session, compute: Compute, plan: RunPlan, run: Path, stored: Sequence[StoredInput]) -> Task:
    """What a container of ``plan`` is on a compute; its image is there then. ``run`` is the folder of the run,
    ``stored`` what it reads in data stores.

    Raises:
        TrainyardError: the image cannot get there, or a file cannot be read.
    """
    exported = session.engine.images.exported(plan.image, plan.image_id or plan.image)
    image = compute.provide(exported)
    return replace(_task(session, compute, plan, run, image, inputs_of(plan.mounts, session.reporter)), stored=stored)


def show_task(session: Session, compute: Compute, plan: RunPlan, workers: int = 0) -> None:
    """What a dry run shows."""
    task = _task(session, compute, plan, Path("00000000-000000-run"), plan.image, ())
    for line in compute.shown(replace(task, workers=workers)):
        session.reporter.would(line)


def _task(
    session: Session, compute: Compute, plan: RunPlan, run: Path, image: str, inputs: Sequence[InputFile]
) -> Task:  # fmt: skip
    made = [f"{run_folder.MOUNT}/{run_folder.MODEL}"] if (run / run_folder.MODEL).is_dir() else []
    resources = read_computes(session.repository.root).find(compute.name).resources
    labels = {
        "run": run.name, "model": plan.model, "clone": clone_mark(session.repository.root),
        "until": str(int(time.time()) + (resources.seconds or LONGEST) + 2 * session.computing.wait_timeout),
    }  # fmt: skip
    return Task(
        task_name(run.name), run.name, plan.model, image, plan.env, inputs, made, resources, labels=labels,
        offline=plan.network == "none",
    )  # fmt: skip


@dataclass(frozen=True)
class OnCompute:
    """Trains the model of the folder ``model`` on ``compute``, which reads ``stored`` in data stores."""

    session: Session
    compute: Compute
    model: Path
    stored: Sequence[StoredInput]

    def run(self, plan: RunPlan) -> int:
        """Train, or go on with what was submitted before, until the run is home; the training's exit status.

        Raises:
            LeftRunning: it goes on there, and nobody here looks after it any more.
            TrainyardError: it cannot be submitted, or has ended otherwise than a training does.
        """
        if self.session.commands.dry_run:
            show_task(self.session, self.compute, plan)
            return 0
        run = next(mount.folder for mount in plan.mounts if mount.what == "run")
        placed = read_placed(run)
        try:
            if placed is None:
                placed = self._submitted(plan, run)
            elif task := self._submitted_tasks.read(placed.task, plan.env):
                self.compute.submit(task)  # nothing happens where it is there; but its files can be sent
            status = self._brought_home(plan, run, placed)
        except KeyboardInterrupt:
            if placed:
                self._leave_or_cancel(run, placed)
            raise
        except (LostError, RefusedError):
            self._clean_up(run)
            raise
        except SystemExit:  # nobody can be asked any more
            if placed:
                raise self._left(run, "the terminal is gone") from None
            raise
        except AwayError as error:
            raise self._left(run, str(error)) from None
        self._clean_up(run)
        return status

    def _submitted(self, plan: RunPlan, run: Path) -> Placed:
        """It is written down before it is submitted: whatever becomes of us, it is found again."""
        task = task_of(self.session, self.compute, plan, run, self.stored)
        self._submitted_tasks.save(task)
        placed = Placed(self.compute.name, task.name, task.image).saved(run)
        self.compute.submit(task)
        self.session.reporter.step(f"It trains on {self.compute.name}; Ctrl-C asks whether it goes on there")
        return placed

    def _brought_home(self, plan: RunPlan, run: Path, placed: Placed) -> int:
        """Its exit status, once it is at home; where its machine was lost, also before all was fetched, it begins
        again, RETRIES times."""
        while True:
            listener = Listener(run, plan.output, self._show_state)
            try:
                status = self.compute.follow(placed.task, listener)
                if status and _is_cancelled(run):
                    return EXIT_INTERRUPTED
                if status not in ENDED_BY_SIGNAL:
                    self._bring_home(plan, run, placed)
                return status
            except (LostError, RefusedError) as error:
                if _is_cancelled(run):
                    return EXIT_INTERRUPTED
                if isinstance(error, RefusedError) or placed.tries > self.session.computing.retries:
                    raise
                self.session.reporter.warn(f"{error.message}; it begins again")
                placed = placed.saved(run, tries=placed.tries + 1)
                task = self._submitted_tasks.read(placed.task, plan.env)
                self.compute.submit(task or task_of(self.session, self.compute, plan, run, self.stored), again=True)

    def _bring_home(self, plan: RunPlan, run: Path, placed: Placed) -> None:
        """Raises:
        LeftRunning: not all of it is here; it stays where it is."""
        try:
            bring_home(self.session, self.compute, plan, run, placed.task, self.model)
        except (LostError, RefusedError):
            raise
        except TrainyardError as error:
            raise LeftRunning(
                f"{error}; what was trained is still on {self.compute.name}", f"make attach ID={run.name}", EXIT_FAILED
            ) from None

    def _clean_up(self, run: Path) -> None:
        if placed := read_placed(run):
            self.compute.clean_up(placed.task)
            placed.saved(run, over=True)
            self._submitted_tasks.forget(placed.task)

    @property
    def _submitted_tasks(self) -> SubmittedTasks:
        return SubmittedTasks(self.session.repository.state)

    def _show_state(self, state: str) -> None:
        if state == hosted.WAITING:
            self.session.reporter.step(f"It has a place on {self.compute.name}, and waits for its files")

    def _leave_or_cancel(self, run: Path, placed: Placed) -> None:
        """Raises:
        LeftRunning: it shall go on."""
        if self.session.reporter.confirm(f"Leave the training running on {self.compute.name}?", unanswered=True):
            raise self._left(run, "interrupted") from None
        with self.session.reporter.waiting(f"Ending {placed.task} on {self.compute.name} ..."):
            self._clean_up(run)

    def _left(self, run: Path, why: str) -> LeftRunning:
        return LeftRunning(
            f"{why}: the training goes on on {self.compute.name}",
            f"make attach ID={run.name} returns to it, make cancel ID={run.name} ends it", EXIT_INTERRUPTED,
        )  # fmt: skip


def _is_cancelled(run: Path) -> bool:
    """By ``make cancel``, in another process."""
    placed = read_placed(run)
    return placed is not None and placed.over
