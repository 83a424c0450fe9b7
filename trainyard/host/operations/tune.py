"""The parameters that config.yaml leaves open, chosen by trials; the final model, trained with the best."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainyard.contract.data_parts import MEASURED_ON
from trainyard.errors import EXIT_FAILED, EXIT_INTERRUPTED, TrainyardError
from trainyard.host.engines.base import Mount, RunPlan
from trainyard.host.experiments import run_files
from trainyard.host.experiments.config import config_file
from trainyard.host.experiments.origin import Origin
from trainyard.host.experiments.parameters import TUNED, defaults_of, read_tuned, with_params, write_tuned
from trainyard.host.experiments.run_files import Run, end_run, runs_of
from trainyard.host.experiments.training import Training, start_run
from trainyard.host.experiments.tuning import study
from trainyard.host.experiments.tuning.goal import Goal, read_goal
from trainyard.host.experiments.tuning.progress import TuningProgress
from trainyard.host.experiments.tuning.search import Search, Tuning
from trainyard.host.experiments.tuning.study import Study, Tried, open_study
from trainyard.host.experiments.tuning.workers import ARGUMENTS
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import differ
from trainyard.host.operations.base_model import with_base_model
from trainyard.host.operations.live_upload import is_tracked
from trainyard.host.operations.on_compute.attaching import followed_anew, left_of_tuning
from trainyard.host.operations.on_compute.workers import show_workers, workers_of, workers_there
from trainyard.host.operations.own_tracking import with_own_tracking
from trainyard.host.operations.reports import try_to_report
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import own_payload, tracked_and_compared, train_as_run, trained, training_of
from trainyard.host.operations.training_data import data_of

TRIALS = "trials"  # a tag of the run: TRIALS as it was given, for RESUME=1
WORKER_BYTES = 512 << 20  # of free memory for each worker, where WORKERS does not say how many


@dataclass(frozen=True)
class PlannedTuning:
    """A search that can begin, the training that its best parameters are for, whose payload without parameters is
    ``own``, and the tuning that it goes on with (RESUME=1)."""

    search: Search
    training: Training
    own: Mapping[str, Any]
    latest: Run | None


def plan_tuning(session: Session, model: ModelDir) -> PlannedTuning:
    """What ``tune`` will do; the image is built first, where it is missing or not of today's sources.

    Raises:
        TrainyardError: there is nothing to tune, or no tuning to go on with.
    """
    session.repository.check_names(model)
    data = data_of(session, model, own_payload(session, model))
    own = data.payload
    known = _metrics_of_last_run(session, model)
    latest = _latest(session, model) if session.experiments.resume else None
    trials = session.experiments.trials or (int(latest.tags.get(TRIALS, 0)) if latest else 0)
    goal = read_goal(config_file(model.path), own, read_tuned(model), trials, known)
    with_defaults = replace(data, payload=with_params(own, defaults_of(model), {}))
    training = with_base_model(session, with_own_tracking(session, training_of(session, model, with_defaults)))
    return PlannedTuning(_search(session, training, goal), training, own, latest)


def tune(session: Session, planned: PlannedTuning, on_searched: Callable[[Study, Goal], None]) -> Run | None:
    """Search, write hyperparameters.yaml, train the final model. The tuning, as it ended; None in a dry run.

    ``on_searched`` is called once the search is over, however it ended, and before the final training.

    Raises:
        TrainyardError: no trial gave a value, or it was interrupted.
    """
    search, training, goal = planned.search, planned.training, planned.search.goal
    which = ", every combination of values once," if goal.is_grid else ""
    workers = f"{search.workers} worker{'s' if search.workers > 1 else ''}"
    session.reporter.step(f"{goal.trials} trials{which} by {workers}: {goal.direction} {goal.metric}")
    if session.commands.dry_run:
        if training.compute:
            show_workers(session, training, search.plan, search.workers)
        else:
            session.engine.runner.run(replace(search.plan, arguments=ARGUMENTS))
        return None
    run, found = _begin(session, training, goal, planned.latest)
    try:
        return _carry_out(session, planned, found, run, on_searched)
    finally:
        if is_tracked(session) and not training.tracks_itself:
            from trainyard.host.operations.uploads import track_family

            track_family(session, run)


def _carry_out(
    session: Session, planned: PlannedTuning, found: Study, run: Run, on_searched: Callable[[Study, Goal], None]
) -> Run:
    """Search and train; the run, which says how it ended."""
    search = planned.search
    try:
        if found.counted >= search.goal.trials and "final_run" in run.tags:
            more = f"TRIALS={2 * search.goal.trials} adds more"
            if search.goal.is_grid:
                more = "every combination of values is tried; for others change config.yaml, and leave out RESUME=1"
            session.reporter.step(f"{run.id} has all of its {found.counted} trials: {more}")
            return end_run(run, "finished", session.reporter)
        with workers_of(session, planned.training, run, search.workers) as runner:
            best = _best(replace(search, runner=runner), found, run, on_searched)
        final = _train(session, planned, best, run)
    except (KeyboardInterrupt, SystemExit, TrainyardError) as error:
        is_ours = isinstance(error, TrainyardError) and error.exit_code != EXIT_INTERRUPTED
        end_run(run, "failed" if is_ours else "interrupted", session.reporter, error=str(error) or "interrupted")
        raise
    part = {MEASURED_ON: final.tags[MEASURED_ON]} if MEASURED_ON in final.tags else {}
    tags = {**run.tags, **part, "final_run": final.id}
    run = end_run(run, "finished", session.reporter, metrics=final.metrics, params=final.params, tags=tags)
    try_to_report(session, run)
    session.reporter.step(f"Tuning {run.id}: make run-show ID={run.id}")
    return run


def _search(session: Session, training: Training, goal: Goal) -> Search:
    runs = training.model.project / run_files.FOLDER
    if training.compute:
        workers, sharing = workers_there(session, training)
    else:
        workers = sharing = session.settings.workers or _workers_by_default()
    workers = min(workers, goal.trials)
    env = {**training.environment, **training.origin.env, "TRAINYARD_JOBS": str(min(sharing, workers))}
    plan = RunPlan(
        training.image, f"{training.image}-trials-{os.getpid()}", "train", training.model.name,
        env, (*training.mounts, Mount("runs", runs)),
        hardened=training.hardened, image_id=training.origin.image_id, network=training.network,
    )  # fmt: skip
    limits = session.experiments.trial_timeout, session.settings.stop_timeout, session.computing.retries
    runner, reporter = session.engine.runner, session.reporter
    return Search(goal, training.payload, training.origin, runner, reporter, plan, workers, *limits)


def _workers_by_default() -> int:
    """One for each core, as far as there is memory for them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return cores
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
    return max(1, min(cores, free // WORKER_BYTES)) if free else cores


def _begin(session: Session, training: Training, goal: Goal, latest: Run | None) -> tuple[Run, Study]:
    """A new run and its study, or with RESUME=1 those of the model's latest tuning, which stay as they are where it
    cannot go on."""
    given = {TRIALS: str(session.experiments.trials)} if session.experiments.trials else {}
    if latest:
        found = open_study(latest.folder, goal, resume=True)
        session.reporter.step(f"Going on with {latest.id}: {found.counted} of {goal.trials} trials are done")
        return _taken_over(session, latest, training.origin, given), found
    run = start_run(training, "tuning")
    run = run.saved(tags={**run.tags, **given, "metric": goal.metric, "direction": goal.direction})
    try:
        return run, open_study(run.folder, goal, resume=False)
    except TrainyardError as error:
        end_run(run, "failed", session.reporter, error=str(error))
        raise


def _taken_over(session: Session, latest: Run, origin: Origin, tags: Mapping[str, str]) -> Run:
    """The tuning, going on with the image of today; trials that other sources gave stay, and that is printed."""
    before = latest.tags.get("image_identity", origin.identity)
    if before != origin.identity:
        session.reporter.warn(
            f"the trials of {latest.id} so far ran in another image: values that the old sources gave count too"
        )
    return latest.taken_over().saved(tags={**latest.tags, **origin.tags, **tags}, built=origin.built)


def _latest(session: Session, model: ModelDir) -> Run:
    runs = [run for run in runs_of([model.project], session.reporter) if isinstance(run, Run) and run.kind == "tuning"]
    runs = [run for run in runs if run.model == model.name and run.files.is_file(study.FILE)]
    if not runs:
        raise TrainyardError(f"RESUME=1: {model.name} has no tuning to go on with", "make tune without it starts one")
    if runs[-1].status == "running":
        message = f"RESUME=1: {runs[-1].id} is still going (process {runs[-1].pid})"
        raise TrainyardError(message, "wait for it, or stop it")
    return runs[-1]


def _best(search: Search, found: Study, run: Run, on_searched: Callable[[Study, Goal], None]) -> Tried:
    """Carry out the trials; the best of all.

    Raises:
        TrainyardError: there is none, or it was interrupted.
    """
    before = found.best(1)
    value = before[0].value if before else math.nan
    with TuningProgress(search.goal, found.counted, search.reporter, value) as progress:
        tuning = Tuning(search, found, run, progress)
        try:
            tuning.carry_out()
        except KeyboardInterrupt:
            done = f"{found.counted} of {search.goal.trials} trials are done"
            raise TrainyardError(f"interrupted: {done}", "make tune RESUME=1 goes on", EXIT_INTERRUPTED) from None
        finally:
            on_searched(found, search.goal)
    if best := found.best(1):
        return best[0]
    reason = tuning.last_failure or "the time was up before one had ended (tuning.timeout)"
    raise TrainyardError(f"no trial gave a value of {search.goal.metric}: {reason}", f"see {run.folder}", EXIT_FAILED)


def _train(session: Session, planned: PlannedTuning, best: Tried, run: Run) -> Run:
    """Write the winner's parameters, train the final model with them."""
    training, own = planned.training, planned.own
    model, metric = training.model, f"{run.tags['metric']} {best.value:.6g}"
    write_tuned(model, best.params, f"make tune found these: {metric} in trial {best.number} of {run.id}")
    session.reporter.step(
        f"Wrote {session.short(model.path / TUNED)}; training the final model with it ({metric} in trial {best.number})"
    )
    payload = with_params(own, defaults_of(model), best.params)
    is_committed = not differ("HEAD", [model.path / TUNED])
    origin = training.origin if is_committed else training.origin.with_changes(session.short(model.path / TUNED))
    training = replace(training, origin=origin, payload=payload, parent=run.id)
    if left := left_of_tuning(session, training):
        session.reporter.step(f"Going on with {left.id}, which trains on {left.compute}")
        return tracked_and_compared(session, training, trained(session, training, followed_anew(left)))
    return train_as_run(session, training)


def _metrics_of_last_run(session: Session, model: ModelDir) -> list[str]:
    runs = [
        run
        for run in runs_of([model.project], session.reporter)
        if isinstance(run, Run) and run.model == model.name and run.metrics
    ]
    return sorted(runs[-1].metrics) if runs else []
