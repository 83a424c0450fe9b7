"""Runs side by side: a table of all in which they differ, and a page with their curves in one picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from trainyard.contract.champion_rule import direction_of
from trainyard.contract.run_folder import METRICS
from trainyard.host.experiments.metrics_log import read_points
from trainyard.host.experiments.report import figures, page
from trainyard.host.experiments.run_files import Run
from trainyard.host.support.reporter import Reporter

ABSENT, BEST = "-", " *"
TAGS = ("description", "dataset", "dataset_sha256", "commit", "dirty")
Row = tuple[str, ...]


def side_by_side(runs: Sequence[Run]) -> list[Row]:
    """A header with the ids, and a row for each fact, parameter and metric; the best value of a metric is marked."""
    rows: list[Row] = [("", *(run.id for run in runs))]
    facts: dict[str, Callable[[Run], Any]] = {
        "model": lambda run: run.model, "status": lambda run: run.status,
        "seconds": lambda run: ABSENT if run.seconds is None else f"{run.seconds:.1f}",
    }  # fmt: skip
    rows += [(name, *(str(value(run)) for run in runs)) for name, value in facts.items()]
    rows += [(tag, *(run.tags.get(tag, ABSENT) for run in runs)) for tag in TAGS if any(tag in r.tags for r in runs)]
    for name in sorted({name for run in runs for name in run.params}):
        rows.append((f"param {name}", *(_text(run.params[name]) if name in run.params else ABSENT for run in runs)))
    return rows + [_metric(name, runs) for name in sorted({name for run in runs for name in run.metrics})]


def comparison_page(runs: Sequence[Run], reporter: Reporter) -> str:
    """The same as one page, with a picture of each metric by step: a line for each run."""
    header, *rows = side_by_side(runs)
    head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in header)
    body = "".join(
        f"<tr><th scope='row'>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    table = f"<section class='card'><table><tr>{head}</tr>{body}</table><p class='quiet'>* the best</p></section>"
    points = {run.short_id: read_points(run.path(METRICS), reporter) for run in runs}
    plots = []
    if any(points.values()):
        from trainyard.host.experiments.plots import draw_side_by_side  # matplotlib takes a second to import

        plots = draw_side_by_side(points)
    return page(f"{len(runs)} runs side by side", facts=table, plots=figures(plots))


def _metric(name: str, runs: Sequence[Run]) -> Row:
    values = [run.metrics.get(name, math.nan) for run in runs]
    finite = {value for value in values if math.isfinite(value)}
    best = (min if direction_of(name) == "minimize" else max)(finite) if len(finite) > 1 else None
    cells = (
        f"{value:.6g}{BEST if value == best else ''}" if name in run.metrics else ABSENT
        for run, value in zip(runs, values, strict=True)
    )  # fmt: skip
    return (f"metric {name}", *cells)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
