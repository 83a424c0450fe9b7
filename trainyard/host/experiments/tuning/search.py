"""A search for parameters: asks the study for trials, has workers carry them out, tells it what came of them."""

from __future__ import annotations

import contextlib
import math
import queue
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from trainyard.contract import run_folder
from trainyard.contract.data_parts import MEASURE_ON, MEASURED_ON, VALIDATION
from trainyard.errors import EXIT_BAD_INPUT, EXIT_FAILED, TrainyardError
from trainyard.host.engines.base import RunPlan
from trainyard.host.experiments.metrics_log import Follower
from trainyard.host.experiments.origin import Origin
from trainyard.host.experiments.run_files import Run, end_run, new_run
from trainyard.host.experiments.tuning.goal import Goal
from trainyard.host.experiments.tuning.going import Going
from trainyard.host.experiments.tuning.progress import TuningProgress
from trainyard.host.experiments.tuning.study import RUN, Study
from trainyard.host.experiments.tuning.workers import Converses, Event, Events, TrialWorker
from trainyard.host.support.product import page
from trainyard.host.support.reporter import Reporter

LOOK_SECONDS = 0.2  # between two looks at what running trials report, and at how long they take
RESTARTS = 3  # of workers in a row, without a trial that ended by itself


@dataclass(frozen=True)
class Search:
    """What a tuning consists of. ``plan`` starts a worker; timeouts in seconds, 0 for none; ``retries``: how often a
    trial is tried again whose worker was lost."""

    goal: Goal
    payload: Mapping[str, Any]
    origin: Origin
    runner: Converses
    reporter: Reporter
    plan: RunPlan
    workers: int
    trial_timeout: int
    stop_timeout: int
    retries: int


class Tuning:
    """One search, carried out until the trials or the time are used up."""

    def __init__(self, search: Search, study: Study, run: Run, progress: TuningProgress) -> None:
        self._search, self._study, self._run, self._progress = search, study, run, progress
        self._events: Events = queue.Queue()
        self._workers: list[TrialWorker] = []
        self._going: dict[TrialWorker, Going] = {}
        self._lost: list[Going] = []  # to be tried again by another worker
        self._counted = study.counted
        self._deadline = time.monotonic() + search.goal.timeout if search.goal.timeout else math.inf
        self._started = 0
        self._restarts = 0
        self._warned_of_imports = self._warned_of_part = False
        self._signal = 0
        self.last_failure = ""

    def carry_out(self) -> None:
        """Until it is done; whatever ends it early ends the workers, and leaves a study that can go on.

        Raises:
            TrainyardError: the train function cannot be imported, workers keep ending, or the metric is not reported.
            KeyboardInterrupt, SystemExit: after a signal, once what was being written down is.
        """
        handlers = {number: signal.signal(number, self._note_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for _ in range(min(self._search.workers, self._search.goal.trials - self._counted)):
                self._start_worker()
            while self._going or self._lost or self._wants_more:
                with contextlib.suppress(queue.Empty):
                    self._handle(self._events.get(timeout=LOOK_SECONDS))
                self._look()
                if self._signal:
                    raise KeyboardInterrupt if self._signal == signal.SIGINT else SystemExit(128 + self._signal)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)  # a second Ctrl-C does not wait
            self._give_up()

    def _note_signal(self, number: int, _: FrameType | None) -> None:
        self._signal = number

    @property
    def _wants_more(self) -> bool:
        begun = self._counted + len(self._going) + len(self._lost)
        return begun < self._search.goal.trials and time.monotonic() < self._deadline

    # -- workers ------------------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        self._started += 1
        plan = replace(self._search.plan, name=f"{self._search.plan.name}-{self._started}")
        log = self._run.path(run_folder.LOG)
        self._workers.append(TrialWorker(self._search.runner, plan, self._events, log))

    def _handle(self, event: Event) -> None:
        worker, report = event.worker, event.report
        if worker.closed:
            return  # what it was at, another one is at
        if report is None:
            self._worker_ended(worker, event.status)
        elif "ready" in report:
            worker.ready = True
            if not report["forks"] and not self._warned_of_imports:
                self._search.reporter.step("Importing the train function starts threads, so each trial imports it anew")
                self._warned_of_imports = True
            self._start_trial(worker)
        elif going := self._going.pop(worker, None):
            self._restarts = 0
            try:
                self._trial_ended(going, report)
                self._start_trial(worker)
            finally:
                self._write_down(going)  # once the worker has something to do

    def _worker_ended(self, worker: TrialWorker, status: int) -> None:
        self._workers.remove(worker)
        worker.close(0)
        if not worker.ready and not worker.lost and status in (EXIT_FAILED, EXIT_BAD_INPUT):
            raise TrainyardError(worker.reason or f"a worker could not start (status {status})", "", status)
        why = f" ({worker.reason})" if worker.reason else ""
        if going := self._going.pop(worker, None):
            if going.ended_as == "pruned":
                self._pruned(going)
            elif worker.lost and going.tries <= self._search.retries and not going.ended_as:
                self._was_lost(going, why)
            else:
                self._failed(going, going.ended_as or f"its worker was ended (status {status}){why}")
            self._write_down(going)
        self._count_end(worker, status)
        for idle in self._workers:
            if idle.ready and idle not in self._going:
                self._start_trial(idle)
        if self._lost or self._wants_more:
            self._search.reporter.warn(f"a worker was ended (status {status}){why}; another one is started")
            self._start_worker()

    def _count_end(self, worker: TrialWorker, status: int) -> None:
        """Raises:
        TrainyardError: workers keep ending."""
        if worker.lost and worker.ready:
            return  # how often a trial is tried is limited
        self._restarts += 1
        # A cluster may take several at once.
        if self._restarts > RESTARTS * (self._search.workers if worker.lost else 1):
            message = f"workers keep ending (status {status}): {worker.reason or 'they say nothing'}"
            raise TrainyardError(message, "is there too little memory? try WORKERS=1", EXIT_FAILED)

    # -- trials -------------------------------------------------------------------------------------------------

    def _start_trial(self, worker: TrialWorker) -> None:
        if self._lost:
            lost = self._lost.pop(0)
            going = lost.again(*self._new_run(lost.trial.number, lost.run.params))
        elif self._wants_more:
            trial, params = self._study.ask()
            everything = {**(self._search.payload.get("params") or {}), **params}
            going = Going(trial, params, *self._new_run(trial.number, everything))
        else:
            return
        number, run = going.trial.number, going.run
        going.trial.set_user_attr(RUN, run.id)
        self._going[worker] = going
        worker.order(number, run.id, {MEASURE_ON: VALIDATION, **self._search.payload, "params": run.params})
        self._progress.started()

    def _new_run(self, trial: int, params: Mapping[str, Any]) -> tuple[Run, Follower]:
        run = new_run(
            self._run.folder.parents[1], self._run.model, self._run.model_name, kind="trial", parent=self._run.id,
            params=params, tags={"trial": str(trial), **self._search.origin.tags}, built=self._search.origin.built,
        )  # fmt: skip
        return run, Follower(run.path(run_folder.METRICS), self._search.reporter)

    def _was_lost(self, going: Going, why: str) -> None:
        """Another worker tries it again."""
        going.status, going.error = "killed", f"its worker was lost{why}: the trial is tried again"
        self._lost.append(going)
        self._progress.lost()
        self._search.reporter.warn(f"trial {going.trial.number}: {going.error}")

    def _trial_ended(self, going: Going, report: Mapping[str, Any]) -> None:
        metric, reporter = self._search.goal.metric, self._search.reporter
        seconds = float(report.get("seconds", 0))
        going.take(report, seconds, reporter)
        metrics = going.run.metrics
        if report.get("touched"):
            binary = f"models/{going.run.model_name}.pkl"
            reporter.warn(f"{binary} changed during trial {going.trial.number}: is it written by an absolute path?")
        if going.ended_as == "pruned":
            self._pruned(going)
        elif going.ended_as or "error" in report:
            self._failed(going, going.ended_as or str(report["error"]))
        elif metric not in metrics:
            known = ", ".join(sorted(metrics)) or "none"
            self._failed(going, f"it reports no metric {metric!r}; there are {known}")
            raise TrainyardError(
                f"the train function reports no metric {metric!r}", f"tuning.metric can be: {known}", EXIT_FAILED
            )
        elif not math.isfinite(metrics[metric]):
            self._failed(going, f"{metric} is {metrics[metric]}")
        else:
            self._gave(going, metrics[metric], seconds)

    def _gave(self, going: Going, value: float, seconds: float) -> None:
        self._note_part(going.run.tags.get(MEASURED_ON, ""))
        self._study.tell(going.trial, value)
        going.status = "finished"
        self._counted += 1
        self._progress.gave(going.trial.number, value, going.params, seconds)

    def _note_part(self, part: str) -> None:
        if part != self._search.payload.get(MEASURE_ON, VALIDATION) and not self._warned_of_part:
            self._search.reporter.warn(
                f"the train function does not say that it measures on the {VALIDATION} part ({MEASURE_ON} in its "
                f"payload): trials may be chosen by rows that the champion is compared on ({page('experiments.md')})"
            )
            self._warned_of_part = True

    def _failed(self, going: Going, reason: str) -> None:
        self.last_failure = reason
        self._study.fail(going.trial, reason)
        going.status, going.error = "failed", reason
        self._counted += 1
        self._progress.gave_nothing(going.trial.number, f"failed: {reason}")

    def _pruned(self, going: Going) -> None:
        self._study.prune(going.trial)
        going.status = "pruned"
        self._counted += 1
        self._progress.gave_nothing(going.trial.number, "pruned: worse than most at that step")

    def _write_down(self, going: Going) -> None:
        end_run(going.run, going.status, self._search.reporter, error=going.error)
        if going not in self._lost:
            self._study.keep(going.trial)

    def _look(self) -> None:
        """At trials that take too long, or that the pruner gives up."""
        limit, now = self._search.trial_timeout, time.monotonic()
        if limit and any(not worker.ready and now - worker.since > limit for worker in self._workers):
            message = f"importing the train function takes longer than {limit} s (TRIAL_TIMEOUT)"
            raise TrainyardError(message, "let it import less, or allow more time", EXIT_FAILED)
        for worker, going in list(self._going.items()):
            if going.ended_as:
                if now - going.since > self._search.stop_timeout:
                    worker.kill()  # it does not answer
                continue
            if limit and now - going.since > limit:
                going.ended_as = f"it took longer than {limit} s (TRIAL_TIMEOUT)"
            elif self._search.goal.pruning and going.is_hopeless(self._search.goal.metric):
                going.ended_as = "pruned"
            if going.ended_as:
                going.since = now  # from now on it has time to end
                worker.end(going.trial.number)

    def _give_up(self) -> None:
        """What still runs was interrupted."""
        for worker in self._workers:
            worker.closed = True
        for going in self._going.values():
            self._study.give_up(going.trial)
            self._write_down(going)
        for going in self._lost:  # their runs are over
            self._study.give_up(going.trial)
            self._study.keep(going.trial)
        if self._workers:
            with ThreadPoolExecutor(len(self._workers)) as pool:
                list(pool.map(lambda worker: worker.close(self._search.stop_timeout), self._workers))
