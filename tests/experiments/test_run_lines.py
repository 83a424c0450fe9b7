"""Runs as lines for programs, and side by side."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from trainyard.host.experiments.comparison import comparison_page, side_by_side
from trainyard.host.experiments.metrics_log import Point
from trainyard.host.experiments.run_files import new_run
from trainyard.host.experiments.run_lines import as_csv, as_json
from trainyard.host.experiments.training_metrics import history_table
from trainyard.host.support.reporter import SILENT


def test_lines_for_programs_hide_and_break_nothing(tmp_path: Path) -> None:
    odd = {"a,b": 'x\n"y"', "deep": [1, {"n": float("inf")}]}
    run = new_run(tmp_path, "p/m", "m", params=odd, tags={"t": "é"}).ended("finished", metrics={"nan": float("nan")})
    (line,) = csv.DictReader(io.StringIO(as_csv([run])))
    assert (line["params.a,b"], line["tags.t"], line["metrics.nan"]) == ('x\n"y"', "é", "NaN")
    (found,) = json.loads(as_json([run]), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["params"] == {"a,b": 'x\n"y"', "deep": [1, {"n": None}]}
    assert found["metrics"] == {"nan": None}
    assert json.loads(as_json([])) == []
    assert as_csv([]).startswith("id,model,")


def test_runs_side_by_side_have_the_best_marked(tmp_path: Path) -> None:
    nan = float("nan")
    runs = [
        new_run(tmp_path, "p/m", "m", params={"x": x}).ended(
            "finished", metrics={"loss": loss, "f1": 0.5, "only": loss}
        )
        for x, loss in ((1, 2.0), (2, 1.0), ("<b>", nan))
    ]
    rows = {row[0]: row[1:] for row in side_by_side(runs)}
    assert rows["metric loss"] == ("2", "1 *", "nan")
    assert rows["metric f1"] == ("0.5", "0.5", "0.5"), "none is the best"
    assert rows["param x"] == ("1", "2", "<b>")
    assert "<b>" not in comparison_page(runs, SILENT)


def test_a_history_has_a_line_for_each_step() -> None:
    points = [Point("b", 1.0, 0, 0), Point("a", 0.5, 2, 0), Point("b", 3.0, 2, 0)]
    assert history_table(points) == "step,a,b\n0,,1.0\n2,0.5,3.0\n"
