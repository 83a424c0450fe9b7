"""What a person sees of a tuning while it goes: a bar on a terminal, else a line for each trial."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from trainyard.host.experiments.tuning.goal import Goal
from trainyard.host.support import console

if TYPE_CHECKING:
    from rich.progress import Progress

SHOWN = 60  # characters of a trial's parameters


class TuningProgress(AbstractContextManager["TuningProgress"]):
    """Shows what happens to trials, ``counted`` of which are over already."""

    def __init__(self, goal: Goal, counted: int, best: float = math.nan) -> None:
        self._goal, self._counted, self._best = goal, counted, best
        self._running = 0
        self._bar: Progress | None = None

    def __enter__(self) -> TuningProgress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = ("{task.description}", "{task.fields[best]}")
            self._bar = Progress(
                TextColumn(columns[0]), BarColumn(), MofNCompleteColumn(), TextColumn(columns[1]), TimeElapsedColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.add_task("Trials", total=self._goal.trials, completed=self._counted, best="")
            self._bar.start()
            self._draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def started(self) -> None:
        self._running += 1
        self._draw()

    def gave(self, trial: int, value: float, params: Mapping[str, Any], seconds: float) -> None:
        """A trial has ended with a value."""
        if math.isnan(self._best) or self._goal.is_better(value, self._best):
            self._best = value
        self._over(trial, f"{self._goal.metric} {value:.6g} (best {self._best:.6g}), {shown(params)}, {seconds:.1f} s")

    def gave_nothing(self, trial: int, reason: str) -> None:
        """A trial has failed, or was pruned."""
        self._over(trial, reason)

    def _over(self, trial: int, text: str) -> None:
        self._counted += 1
        self._running -= 1
        if self._bar is None:
            console.step(f"[{self._counted}/{self._goal.trials}] trial {trial}: {text}")
        self._draw()

    def _draw(self) -> None:
        if self._bar:
            best = "" if math.isnan(self._best) else f"best {self._goal.metric} {self._best:.6g}, "
            self._bar.update(
                self._bar.task_ids[0], completed=self._counted, best=f"{best}{self._running} running"
            )  # fmt: skip


def shown(params: Mapping[str, Any]) -> str:
    """Parameters in one short line."""
    values = ((name, f"{value:.6g}" if isinstance(value, float) else value) for name, value in params.items())
    text = " ".join(f"{name}={value}" for name, value in values)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
