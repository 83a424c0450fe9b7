"""A trial that a worker is at, or that waits for another worker since its own was lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trainyard.contract import run_folder
from trainyard.contract.data_parts import MEASURED_ON
from trainyard.host.experiments.metrics_log import Follower, read_points, read_tags
from trainyard.host.experiments.run_files import Run, Status
from trainyard.host.support.reporter import Reporter

if TYPE_CHECKING:
    import optuna

LOOKED_AT = 100  # steps of each power of ten that a trial is compared at: each is kept in the study


@dataclass(eq=False)
class Going:
    """``params`` are those that the search has chosen. Each try has a run of its own: a worker that was cut off may
    still write to the one before."""

    trial: optuna.Trial
    params: Mapping[str, Any]
    run: Run
    follower: Follower
    tries: int = 1
    since: float = field(default_factory=time.monotonic)  # its start; once we ended it, that
    ended_as: str = ""  # pruned, or the reason why we ended it
    status: Status = "interrupted"
    error: str = ""
    _compared: set[int] = field(default_factory=set)  # steps of all tries

    def is_hopeless(self, metric: str) -> bool:
        """Whether what it has reported since is worse than most; steps of an earlier try count as they were."""
        for point in self.follower.new():
            if point.name == metric and is_looked_at(point.step) and point.step not in self._compared:
                self._compared.add(point.step)
                self.trial.report(point.value, point.step)
                if self.trial.should_prune():
                    return True
        return False

    def take(self, report: Mapping[str, Any], seconds: float, reporter: Reporter) -> None:
        """What it has written and reported, once it is over, is that of its run."""
        points = read_points(self.run.path(run_folder.METRICS), reporter)
        metrics = {**{point.name: point.value for point in points}, **report.get("metrics", {})}
        part = {MEASURED_ON: str(report[MEASURED_ON])} if report.get(MEASURED_ON) else {}
        own = read_tags(self.run.path(run_folder.TAGS), reporter)
        tags = {**self.run.tags, "seconds": f"{seconds:.3f}", **part, **own}
        self.run = replace(self.run, metrics=metrics, tags=tags)

    def again(self, run: Run, follower: Follower) -> Going:
        """The next try."""
        return Going(self.trial, self.params, run, follower, self.tries + 1, _compared=self._compared)


def is_looked_at(step: int) -> bool:
    """Whether trials are compared at that step: all of the first, then fewer, the same ones for every trial."""
    return step < LOOKED_AT or step % (10 ** (len(str(step)) - 2)) == 0
