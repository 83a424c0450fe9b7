"""The training of one model that a commit asks for: found where it was done before, gone on with, or begun."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from trainyard.contract.files import write_whole
from trainyard.contract.run_folder import METRICS
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.model_news import TRAINED_FOR
from trainyard.host.experiments.metrics_log import read_points
from trainyard.host.experiments.parameters import TUNED
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.training_metrics import write_training_metrics
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.on_compute.attaching import attach
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import train


def train_for(session: Session, model: ModelDir, asking: str, *, tunes: bool) -> None:
    """Train, or tune, a model for the commit ``asking``, unless that is done.

    Raises:
        TrainyardError: as a training does; it goes on on its compute; or it is tuned already for another TRIALS.
    """
    kind = "tuning" if tunes else "training"
    runs = [run for run in _runs(session, model, asking) if run.kind == kind]
    if done := next((run for run in runs if run.status == "finished"), None):
        session.reporter.step(f"{model.name}: the {kind} {done.id} is that of {asking[:12]}")
        _bring_back(session, model, done)
        return
    session = session.tagged({TRAINED_FOR: asking})
    if not tunes:
        left = next((run for run in runs if run.status == "running" and run.compute), None)
        if left:
            attach(session, left)
        else:
            train(session, model)
        return
    _tune(session, model, asking, goes_on=bool(runs))


def _runs(session: Session, model: ModelDir, asking: str) -> Iterator[Run]:
    """Those of the model that were begun for the commit, the newest first, without the last training of a tuning."""
    for run in reversed([*runs_of([model.project], session.reporter)]):
        if isinstance(run, Run) and run.model == model.name and run.tags.get(TRAINED_FOR) == asking and not run.parent:
            yield run


def _tune(session: Session, model: ModelDir, asking: str, *, goes_on: bool) -> None:
    # Optuna takes a second to import.
    from trainyard.host.operations.tune import plan_tuning, tune

    if goes_on:
        session = replace(session, given=replace(session.experiments, resume=True))
    run = tune(session, plan_tuning(session, model), lambda _found, _goal: None)
    if run and (model.path / TUNED).is_file():
        run.files.write(TUNED, (model.path / TUNED).read_bytes())


def _bring_back(session: Session, model: ModelDir, run: Run) -> None:
    """Write what the run wrote for git: a checkout since then may have put back what was there before."""
    if run.kind == "tuning":
        if not run.files.is_file(TUNED):
            raise TrainyardError(
                f"{run.id} left no {TUNED}", f"remove {run.folder}, then it is tuned again", EXIT_FAILED
            )
        write_whole(model.path / TUNED, run.files.read(TUNED).decode())
        final = run.tags.get("final_run", "")
        run = next((one for one in runs_of([model.project], session.reporter)
                    if isinstance(one, Run) and one.id == final), run)  # fmt: skip
    points = read_points(run.path(METRICS), session.reporter)
    locks = session.repository.state / "locks"
    write_training_metrics(model.project, run.model_name, run.metrics, points, locks, session.reporter)
