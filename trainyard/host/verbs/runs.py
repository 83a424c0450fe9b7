"""make runs, make run-show: what was trained, and what came of it."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.champion_rule import direction_of
from trainyard.errors import TrainyardError
from trainyard.host.experiments import run_files
from trainyard.host.experiments.run_files import Run, begun, runs_of
from trainyard.host.experiments.run_lines import as_csv, as_json
from trainyard.host.experiments.tuning.progress import shown
from trainyard.host.operations.asked_runs import asked_model, asked_run
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table

SHOWN = 20  # runs, unless ALL=1
MOST_METRICS = 4  # columns
TABLE = "table"
FORMATS = (TABLE, "json", "csv")


def list_runs(session: Session, folder: Path) -> None:
    """A table of the latest runs of a model, or of all, the newest first; SORT=<metric> sorts by it, the best first.

    FORMAT=json and FORMAT=csv give all of them, whole.

    Raises:
        TrainyardError: SORT names a metric that none of the runs has, or there is no such FORMAT.
    """
    form = session.experiments.format
    if form not in FORMATS:
        raise TrainyardError(f"FORMAT={form}: no such format", f"there are {', '.join(FORMATS)}")
    own, projects = asked_model(session, folder)
    runs = []
    for found in runs_of(projects, session.reporter):
        if isinstance(found, TrainyardError):
            session.reporter.warn(str(found))
        elif own in ("", found.model) and found.kind != "trial":
            runs.append(found)
    if not runs:
        session.reporter.step("There are no runs yet: make train")
    if not runs and form == TABLE:
        return
    runs = sorted_runs(runs, session.experiments.sort)
    if form != TABLE:
        console.result(as_json(runs) if form == "json" else as_csv(runs))
        return
    shown = runs if session.experiments.everything else runs[:SHOWN]
    for line in table(_rows(shown, session.experiments.sort)):
        console.result(line)
    if len(shown) < len(runs):
        session.reporter.step(f"{len(runs) - len(shown)} more: ALL=1 shows them")


def sorted_runs(runs: list[Run], metric: str) -> list[Run]:
    """The newest first, or the best in ``metric``; those that do not have it, or have NaN, come last."""
    if not metric or not runs:
        return sorted(runs, key=lambda run: begun(run.id), reverse=True)
    if not any(metric in run.metrics for run in runs):
        known = sorted({name for run in runs for name in run.metrics})
        raise TrainyardError(f"SORT={metric}: no run has such a metric", f"there are {', '.join(known) or 'none yet'}")
    sign = 1 if direction_of(metric) == "minimize" else -1
    value = {run.id: run.metrics.get(metric, float("nan")) for run in runs}
    return sorted(runs, key=lambda run: (value[run.id] != value[run.id], sign * value[run.id], run.id))


def show_run(session: Session, folder: Path) -> None:
    """Everything that is written down of one run: ID=<id>, the beginning or end of one, or latest."""
    run = asked_run(session, folder)
    lines = [("run", run.id), ("model", run.model), ("status", run.status), ("started", run.started)]
    lines += [("seconds", f"{run.seconds:.1f}")] if run.seconds is not None else []
    lines += [("compute", run.compute)] if run.compute else []
    lines += [("parent", run.parent)] if run.parent else []
    lines += [("error", run.error)] if run.error else []
    lines += [(f"param {name}", str(value)) for name, value in sorted(run.params.items())]
    lines += [(f"metric {name}", f"{value:.6g}") for name, value in sorted(run.metrics.items())]
    lines += [(f"tag {name}", value) for name, value in sorted(run.tags.items())]
    lines += [("file", session.short(run.path(name))) for name in run.files.names() if name != run_files.RUN]
    lines += _can_be_reproduced(session, run)
    for line in table(lines):
        console.result(line)
    trials = _trials(session, run)
    for line in table(trials) if trials else ():
        console.result(line)


def _can_be_reproduced(session: Session, run: Run) -> list[tuple[str, str]]:
    """Whether make reproduce can train it again, and what stands in the way."""
    from trainyard.host.operations.reproducing.reproduce import (
        reasons_against,
        stores_of,
    )  # make runs does not wait for what trains

    what, reasons = "can be reproduced", reasons_against(session, run)
    if not reasons:
        stores = stores_of(session, run)
        has = (
            f", if {' and '.join(stores)} still {'has' if len(stores) == 1 else 'have'} that version" if stores else ""
        )
        return [(what, f"yes{has}: make reproduce ID={run.id}")]
    return [(what, f"no: {reasons[0]}"), *(("", f"    {reason}") for reason in reasons[1:])]


def _trials(session: Session, run: Run) -> list[tuple[str, ...]]:
    """A table of the trials of a tuning, the best first; nothing of other runs."""
    if run.kind != "tuning":
        return []
    trials = [
        one
        for one in runs_of([run.folder.parents[1]], session.reporter)
        if isinstance(one, Run) and one.parent == run.id
    ]
    trials = [one for one in trials if one.kind == "trial"]
    metric, nan = run.tags.get("metric", ""), float("nan")
    value = {one.id: one.metrics.get(metric, nan) if one.status == "finished" else nan for one in trials}
    sign = 1 if run.tags.get("direction") == "minimize" else -1
    trials.sort(key=lambda one: (value[one.id] != value[one.id], sign * value[one.id], one.id))
    rows = [
        (one.tags.get("trial", ""), f"{value[one.id]:.6g}", one.status, one.id, shown(one.params), one.error)
        for one in trials
    ]
    return [("TRIAL", metric.upper(), "STATUS", "RUN", "PARAMETERS", ""), *rows] if rows else []


def _rows(runs: list[Run], first: str) -> list[tuple[str, ...]]:
    """A header and a line for each run; columns for the metrics that most runs have, the one sorted by first, and for
    the computes where one of them was on one."""
    counts: dict[str, int] = {}
    for run in runs:
        for name in run.metrics:
            counts[name] = counts.get(name, 0) + 1
    names = sorted(counts, key=lambda name: (name != first, -counts[name], name))[:MOST_METRICS]
    where = ("COMPUTE",) if any(run.compute for run in runs) else ()
    rows: list[tuple[str, ...]] = [
        ("RUN", "MODEL", "STATUS", *where, "SECONDS", *(name.upper() for name in names), "PARAMETERS")
    ]
    for run in runs:
        seconds = f"{run.seconds:.1f}" if run.seconds is not None else "-"
        metrics = (f"{run.metrics[name]:.4f}" if name in run.metrics else "-" for name in names)
        params = " ".join(f"{name}={value}" for name, value in sorted(run.params.items()))
        place = (run.compute or "-",) if where else ()
        params = params if len(params) <= 60 else params[:57] + "..."
        rows.append((run.id, run.model, run.status, *place, seconds, *metrics, params))
    return rows
