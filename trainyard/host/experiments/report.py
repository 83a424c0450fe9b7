"""A run's report: pictures in ``plots/``, and ``report.html``, which has them in itself and needs nothing else."""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from trainyard.contract import run_folder
from trainyard.contract.data_parts import MEASURED_ON
from trainyard.host.experiments.metrics_log import Point, read_points
from trainyard.host.experiments.run_files import Run
from trainyard.host.support.reporter import Reporter
from trainyard.host.support.shared_folder import SharedFolder

if TYPE_CHECKING:
    from trainyard.host.experiments.plots import Plot
    from trainyard.host.experiments.tuning.outcome import Outcome

REPORT, PLOTS = "report.html", "plots"
LOOK_SECONDS = 0.2
_PAGE = Path(__file__).with_name("report.html")
_DRAWING = "trainyard.host.experiments.plots"
_TRIALS, _DRAWING_TRIALS = "trainyard.host.experiments.tuning.outcome", "trainyard.host.experiments.trial_plots"
MOST_TRIALS = 30  # in the table


def write_report(run: Run, reporter: Reporter, drawn: DrawnAhead | None = None) -> Path:
    """Draw what the run has left; the path of its report.

    Raises:
        OSError: no permission, no space.
        Exception: whatever matplotlib makes of an evaluation that is none.
    """
    left = _left_of(run, reporter)
    plots = drawn.plots(left) if drawn else _draw(left)
    _write_plots(run.files, plots)
    run.files.write(REPORT, report_page(run, plots, left.evaluation.get("rows"), left.trials))
    return run.path(REPORT)


class DrawnAhead(AbstractContextManager["DrawnAhead"]):
    """Draws in a thread, from the moment that a run has something to draw: its training is not over then (it compiles
    the model), and we only wait. That saves the time that it takes to import matplotlib, and mostly that to draw."""

    def __init__(self, run: Run, reporter: Reporter) -> None:
        self._run = run
        self._reporter = reporter
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._drawn: tuple[_Left, list[Plot]] | None = None

    def __enter__(self) -> DrawnAhead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def plots(self, left: _Left) -> list[Plot]:
        """The pictures of what is left of the run, in the end."""
        self._end()
        return self._drawn[1] if self._drawn and self._drawn[0] == left else _draw(left)

    def _end(self) -> None:
        """What is not there by now does not come any more. An interpreter that ends while the thread is inside of
        numpy's import ends with a segmentation fault, so the thread is waited for whatever has failed."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        if self._there(run_folder.METRICS, run_folder.EVALUATION):
            with contextlib.suppress(ImportError):  # raised again at the end, where it is imported
                importlib.import_module(_DRAWING)
        if self._there(run_folder.EVALUATION):
            # Any error is met again, and reported, at the end.
            with contextlib.suppress(Exception):
                left = _left_of(self._run, self._reporter)
                self._drawn = left, _draw(left)

    def _there(self, *names: str) -> bool:
        """Wait for one of the files; False where the training is over before."""
        while not any(self._run.files.is_file(name) for name in names):
            if self._over.wait(LOOK_SECONDS):
                return False
        return True


def report_page(run: Run, plots: Sequence[Plot], rows: Any, trials: Outcome | None = None) -> str:
    """The report as one page. Whatever comes from a run is escaped: names, tags and its evaluation are anybody's.

    Args:
        run: what is shown.
        plots: its pictures.
        rows: how many were held out, as the evaluation has it; what is no number is left out.
        trials: what came of those of a tuning.
    """
    facts = {
        "model": run.model, "started": f"{run.started[:19].replace('T', ' ')} UTC" if run.started else "",
        "took": f"{run.seconds:.1f} s" if run.seconds is not None else "", "error": run.error, "part of": run.parent,
    }  # fmt: skip
    metrics = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value:.4g}</dd></div>" for name, value in sorted(run.metrics.items())
    )
    part = escape(run.tags.get(MEASURED_ON, ""))
    measured = f"<p class='quiet'>Measured on the {part} part of the dataset.</p>" if part else ""
    counted = f"<p class='quiet'>{rows} rows were held out to measure on.</p>" if type(rows) is int else ""
    held_out = measured + counted
    return page(
        run.model_name,
        title=f"{run.model_name} · {run.id}",
        description=f"<p>{escape(run.tags['description'])}</p>" if run.tags.get("description") else "",
        id=f"<p class='quiet id'>{escape(run.id)}</p>",
        badge=f"<span class='status {escape(run.status)}'>{escape(run.status)}</span>",
        facts=_table("Run", facts),
        metrics=f"<section><h2>Metrics</h2>{held_out}<dl class='metrics'>{metrics}</dl></section>" if metrics else "",
        plots=figures(plots) + (_trials(trials) if trials else ""),
        params=_table("Parameters", dict(sorted(run.params.items()))),
        tags=_table("Tags", dict(sorted(run.tags.items()))),
    )


def page(heading: str, *, title: str = "", **parts: str) -> str:
    """A whole page. ``parts`` are markup, whose texts are escaped already; a heading and a title are texts."""
    empty = dict.fromkeys(("description", "id", "badge", "facts", "metrics", "plots", "params", "tags"), "")
    return Template(_PAGE.read_text()).substitute(
        {**empty, **parts, "heading": escape(heading), "title": escape(title or heading)}
    )


def figures(plots: Sequence[Plot]) -> str:
    """The section of the pictures; nothing where there are none."""
    drawn = "".join(_figure(plot) for plot in plots)
    return f"<section class='plots'>{drawn}</section>" if drawn else ""


def _table(heading: str, values: Mapping[str, Any]) -> str:
    """Nothing where there are no values."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(str(name))}</th><td>{escape(_text(value))}</td></tr>"
        for name, value in values.items()
        if value != ""
    )
    return f"<section class='card'><h2>{heading}</h2><table>{rows}</table></section>" if rows else ""


def _trials(outcome: Outcome) -> str:
    """A table of the trials, the best first."""
    names = sorted({name for one in outcome.trials for name in one.params})
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in ("trial", outcome.metric, "", *names))
    rows = ""
    for one in outcome.best_first[:MOST_TRIALS]:
        value = f"{one.value:.6g}" if one.value is not None else "-"
        cells = (value, one.state, *(_text(one.params[name]) if name in one.params else "-" for name in names))
        rows += f"<tr><th scope='row'>{one.number}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    return f"<section class='card trials'><h2>Trials</h2><table><tr>{head}</tr>{rows}</table></section>"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _figure(plot: Plot) -> str:
    data = base64.b64encode(plot.png).decode()
    return f"<img src='data:image/png;base64,{data}' alt='{escape(plot.description)}' width='768' height='576'>"


def _write_plots(files: SharedFolder, plots: Sequence[Plot]) -> None:
    """All of them anew: a picture of the report before would tell of something else."""
    if plots:
        files.make_folder(PLOTS)
    for old in files.names(PLOTS) if PLOTS in files.names() else ():
        if old.endswith(".png"):
            files.remove(f"{PLOTS}/{old}")
    for plot in plots:
        files.write(f"{PLOTS}/{plot.name}.png", plot.png)


@dataclass(frozen=True)
class _Left:
    """What a run has left to draw."""

    evaluation: dict[str, Any]
    points: list[Point]
    trials: Outcome | None = None  # of a tuning


def _left_of(run: Run, reporter: Reporter) -> _Left:
    try:
        evaluation = run.files.read_json(run_folder.EVALUATION)
    except FileNotFoundError:
        evaluation = {}
    points = [point for point in read_points(run.path(run_folder.METRICS), reporter) if math.isfinite(point.value)]
    trials = importlib.import_module(_TRIALS).read_outcome(run, reporter) if run.kind == "tuning" else None
    return _Left(evaluation if isinstance(evaluation, dict) else {}, points, trials)


def _draw(left: _Left) -> list[Plot]:
    """Nothing is imported for a run that has left nothing."""
    plots: list[Plot] = []
    if left.evaluation or left.points:
        plots += importlib.import_module(_DRAWING).draw(left.evaluation, left.points)
    if left.trials:
        plots += importlib.import_module(_DRAWING_TRIALS).draw_trials(left.trials)
    return plots
