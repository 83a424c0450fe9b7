"""What a change makes of one model: metrics before and after, the verdict on them, parameters, what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard.contract.champion_rule import Decision, Direction, decide, direction_of
from trainyard.errors import TrainyardError
from trainyard.host.ci.base_commit import metrics_in, metrics_of, params_in, params_now
from trainyard.host.experiments.config import Config, read_config
from trainyard.host.experiments.report import PLOTS
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.training_metrics import SUMMARY
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import git
from trainyard.host.operations.session import Session

TRAINED_FOR = "trained_for"  # a tag of runs that CI began: the commit that asked for them
OVER = ("finished", "failed", "killed", "interrupted")


@dataclass(frozen=True)
class ModelNews:
    """``old`` and ``new`` are None where there are no metrics; ``error`` says why there are no new ones, or no trust in
    them; ``plots`` are pictures with what they show."""

    name: str
    old: Mapping[str, float] | None = None
    new: Mapping[str, float] | None = None
    directions: Mapping[str, Direction] = field(default_factory=dict)
    decision: Decision | None = None
    params: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # what changed; MISSING for none
    plots: tuple[Path, ...] = ()
    run: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()


class Missing:
    """A parameter that is not there, which is another thing than null."""


MISSING = Missing()


def news_of(session: Session, path: Path, base: str, failures: Mapping[str, str]) -> ModelNews:
    """Of a model directory, against the commit ``base``, which may be empty; ``failures`` by model are those that the
    caller knows of. A mistake in it is a part of the answer."""
    name = f"{path.parent.name}/{path.name}"
    try:
        return _news_of(session, session.repository.model(path), base, failures.get(name, ""))
    except (TrainyardError, OSError) as error:
        return ModelNews(name, error=failures.get(name) or str(error))


def _news_of(session: Session, model: ModelDir, base: str, failure: str) -> ModelNews:
    root, config = session.repository.root, read_config(model.path)
    old = metrics_in(root, base, model) if base else None
    run = _newest_run(session, model)
    error = failure or _failure(run)
    new = None if error else _new_metrics(model, run)
    notes = []
    if run is None and new is not None and new == old:
        notes.append(f"{SUMMARY} is that of {base[:12]}: nothing was trained since")
        new = None
    elif new is None and not error:
        notes.append(f"{SUMMARY} has no metrics of this model: it was not trained here")
    if base and old is None:
        notes.append(f"{SUMMARY} of {base[:12]} has no metrics of this model")
    params, note = _changed_params(root, model, base)
    notes += [note] if note else []
    return ModelNews(
        model.name, old, new, _directions(config, {*(old or {}), *(new or {})}),
        decide(config.rule, new, old) if new is not None else None,
        params, _plots(run) if new is not None else (), run.id if run else "", error, tuple(notes),
    )  # fmt: skip


def _newest_run(session: Session, model: ModelDir) -> Run | None:
    """The newest training of the model that is over, of this commit, or with the metrics that the project has now: runs
    of other work stay on a machine that is kept."""
    head = head_of(session.repository.root)
    now = metrics_of(_summary(model), model)
    found = [
        run for run in runs_of([model.project], session.reporter)
        if isinstance(run, Run) and run.model == model.name and run.kind != "trial" and run.status in OVER
    ]  # fmt: skip
    for run in reversed(found):
        if head and head in (run.tags.get("commit"), run.tags.get(TRAINED_FOR)):
            return run
        if run.status == "finished" and now is not None and _finite(run) == now:
            return run
    return None


def head_of(root: Path) -> str:
    """The commit of the work tree; empty where there is none."""
    try:
        return git(root, "rev-parse", "HEAD").strip()
    except TrainyardError:
        return ""


def _summary(model: ModelDir) -> str:
    try:
        return (model.project / SUMMARY).read_text(errors="replace")
    except OSError:
        return ""


def _finite(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.metrics.items() if value - value == 0}


def _failure(run: Run | None) -> str:
    if run is None or run.status == "finished":
        return ""
    return (
        f"the {run.kind} {run.id} {'was ' if run.status != 'failed' else ''}{run.status}: {run.error or 'see its log'}"
    )


def _new_metrics(model: ModelDir, run: Run | None) -> Mapping[str, float] | None:
    """Those of the run, with what is no number among them, for the verdict; else those of the project's file."""
    return run.metrics if run else metrics_of(_summary(model), model)


def _directions(config: Config, names: set[str]) -> dict[str, Direction]:
    """Which way each metric is better, as config.yaml says it, or its name."""
    given = {name: guard.direction for name, guard in config.guards.items() if guard.direction}
    if config.metric:
        given[config.metric] = config.direction
    return {name: given.get(name) or direction_of(name) for name in names}


def _changed_params(root: Path, model: ModelDir, base: str) -> tuple[dict[str, tuple[Any, Any]], str]:
    """By name, before and after; and why the old ones are not known."""
    if not base:
        return {}, ""
    now = params_now(model)
    try:
        old = params_in(root, base, model)
    except TrainyardError as error:
        return {}, f"the parameters of {base[:12]} cannot be read: {error.message.rpartition('/')[2]}"
    pairs = {name: (old.get(name, MISSING), now.get(name, MISSING)) for name in sorted({*old, *now}, key=str)}
    return {str(name): pair for name, pair in pairs.items() if pair[0] != pair[1]}, ""


def _plots(run: Run | None) -> tuple[Path, ...]:
    """The pictures of a run; links are left out, as containers write there."""
    if run is None or run.status != "finished":
        return ()
    names = sorted(run.files.names(PLOTS)) if run.files.has(PLOTS) else []
    return tuple(run.path(f"{PLOTS}/{name}") for name in names
                 if name.endswith(".png") and run.files.is_file(f"{PLOTS}/{name}"))  # fmt: skip
