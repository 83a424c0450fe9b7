"""What a person sees of a tuning while it goes: a bar on a terminal, else a line for each trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from trainyard.host.experiments.tuning.goal import Goal
from trainyard.host.support.reporter import Counted, Reporter

SHOWN = 60  # characters of a trial's parameters


class TuningProgress(AbstractContextManager["TuningProgress"]):
    """Shows what happens to trials, ``counted`` of which are over already."""

    def __init__(self, goal: Goal, counted: int, reporter: Reporter, best: float = math.nan) -> None:
        self._goal, self._counted, self._reporter, self._best = goal, counted, reporter, best
        self._running = 0
        self._counting = reporter.counting("Trials", goal.trials)
        self._counter: Counted | None = None

    def __enter__(self) -> TuningProgress:
        self._counter = self._counting.__enter__()
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counting.__exit__(kind, error, trace)

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

    def lost(self) -> None:
        """A trial has begun that is not over: it begins again."""
        self._running -= 1
        self._draw()

    def _over(self, trial: int, text: str) -> None:
        self._counted += 1
        self._running -= 1
        if self._counter is None:
            self._reporter.step(f"[{self._counted}/{self._goal.trials}] trial {trial}: {text}")
        self._draw()

    def _draw(self) -> None:
        if self._counter:
            best = "" if math.isnan(self._best) else f"best {self._goal.metric} {self._best:.6g}, "
            self._counter(self._counted, f"{best}{self._running} running")


def shown(params: Mapping[str, Any]) -> str:
    """Parameters in one short line."""
    values = ((name, f"{value:.6g}" if isinstance(value, float) else value) for name, value in params.items())
    text = " ".join(f"{name}={value}" for name, value in values)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
