"""The last run's metrics of each model, for git and DVC: ``training_metrics.json`` and ``training_metrics/``.

Nothing in them but metrics and parameters, so that a training that gives the same writes the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainyard.contract.files import write_whole
from trainyard.host.experiments.metrics_log import Point
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter

SUMMARY = "training_metrics.json"
FOLDER = "training_metrics"
LIMIT = Limit("", 30)  # to write a file


def write_training_metrics(
    project: Path,
    model_name: str,
    metrics: Mapping[str, float],
    points: Sequence[Point],
    locks: Path,
    reporter: Reporter,
) -> None:
    """Write a model's own files and its part of the project's summary.

    Raises:
        OSError: no permission, no space.
        TrainyardError: another training has been writing the summary for half a minute.
    """
    folder = project / FOLDER
    folder.mkdir(exist_ok=True)
    finite = {name: value for name, value in sorted(metrics.items()) if math.isfinite(value)}
    write_whole(folder / f"{model_name}.json", _json(finite))
    final = [Point(name, value, 0, 0) for name, value in finite.items()]
    write_whole(folder / f"{model_name}.csv", history_table(points or final))
    with locked(locks / f"metrics-{project.name}", SUMMARY, LIMIT, reporter):
        summary = project / SUMMARY
        write_whole(summary, _json({**_read(summary), model_name: finite}))


def history_table(points: Sequence[Point]) -> str:
    """A CSV: a line for each step, a column for each metric; empty where a metric has no value at a step."""
    names = sorted({point.name for point in points})
    rows: dict[int, dict[str, float]] = {}
    for point in points:
        rows.setdefault(point.step, {})[point.name] = point.value
    text = io.StringIO()
    writer = csv.DictWriter(text, ["step", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"step": step, **values} for step, values in sorted(rows.items()))
    return text.getvalue()


def _read(summary: Path) -> dict[str, Any]:
    """What other models have written; a file that is not ours any more is written anew."""
    try:
        found = json.loads(summary.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
