"""The workers of a tuning on a compute: each trains one trial after the other there, and is talked to from here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.compute.base import Compute, StoredInput
from trainyard.host.compute.compute_file import Local, Ssh
from trainyard.host.compute.following import TrialListener
from trainyard.host.compute.opening import open_compute
from trainyard.host.compute.placed import Placed, read_placed
from trainyard.host.engines.base import RunPlan
from trainyard.host.engines.container_output import Conversation, Output
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.training import Training
from trainyard.host.experiments.tuning.workers import Converses
from trainyard.host.operations.on_compute.stored_data import stored_inputs
from trainyard.host.operations.on_compute.training import show_task, task_of
from trainyard.host.operations.session import Session


@contextlib.contextmanager
def workers_of(session: Session, training: Training, run: Run, workers: int) -> Iterator[Converses]:
    """What starts the workers of the tuning ``run``: the engine here, or its compute, where nothing of them is left
    behind.

    Raises:
        TrainyardError: there is no such compute, or it does not answer.
    """
    if not training.compute:
        yield session.engine.runner
        return
    found = open_compute(session.repository.root, training.compute, session.computing, session.reporter)
    with contextlib.ExitStack() as stack:
        there = _WorkersOnCompute(session, found.compute, run.folder, workers, stored_inputs(training))
        stack.callback(there.close)
        yield there


def show_workers(session: Session, training: Training, plan: RunPlan, workers: int) -> None:
    """What a dry run shows."""
    found = open_compute(session.repository.root, training.compute, session.computing, session.reporter)
    show_task(session, found.compute, plan, workers)


def workers_there(session: Session, training: Training) -> tuple[int, int]:
    """How many workers a compute has, and how many of them share the cores of one machine.

    Raises:
        TrainyardError: there is no such compute.
    """
    workers = session.computing.nodes or session.settings.workers or 1
    found = open_compute(session.repository.root, training.compute, session.computing, session.reporter)
    return workers, workers if isinstance(found.entry, Local | Ssh) else 1


@dataclass
class _WorkersOnCompute:
    """``run`` is the folder of the tuning."""

    session: Session
    compute: Compute
    run: Path
    workers: int
    stored: Sequence[StoredInput]
    _placed: Placed | None = field(default=None, init=False)
    _started: int = field(default=0, init=False)

    def converse(self, plan: RunPlan) -> Conversation:
        placed = self._placed = self._placed or self._submitted(plan)
        self._started += 1
        output: Output = plan.output or (lambda *_: None)
        listener = TrialListener(self.run.parent, output, self.session.reporter.warn)
        return self.compute.converse(placed.task, self._started, listener)

    def _submitted(self, plan: RunPlan) -> Placed:
        """What a tuning that was killed has left goes first."""
        if (before := read_placed(self.run)) and not before.over:
            self.compute.clean_up(before.task)
        task = replace(task_of(self.session, self.compute, plan, self.run, self.stored), workers=self.workers)
        placed = Placed(self.compute.name, task.name, task.image).saved(self.run)
        self.compute.submit(task)
        return placed

    def close(self) -> None:
        """Leave nothing there."""
        placed = self._placed or read_placed(self.run)  # a client that died may have left some, and no trial to do
        if placed is None or placed.over:
            return
        try:
            self.compute.clean_up(placed.task)
            placed.saved(self.run, over=True)
        except TrainyardError as error:  # what the search has found counts
            self.session.reporter.warn(f"{error}; make prune removes what is left on {self.compute.name}")
