"""The report of a run: what people see of it, in a real browser, and what becomes of hostile and damaged contents."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monorepo import ROOT, Model, Monorepo
from waiting import until

from trainyard.host.experiments.metrics_log import Point
from trainyard.host.experiments.report import DrawnAhead, write_report
from trainyard.host.experiments.run_files import Run, new_run
from trainyard.host.experiments.tuning.outcome import read_outcome
from trainyard.host.support.reporter import SILENT

HOSTILE = "</td></script><img src=x onerror=alert(1)>'\"$x^{ $title"
CURVE = {"area": 0.75, "x": [0.0, 0.5, 1.0], "y": [0.0, 1.0, 1.0]}


def classification(*labels: str, column: str = "age") -> dict[str, Any]:
    calibration = {"x": [0.2, 0.8], "y": [0.1, 0.9], "rows": [5, 7]}
    return {
        "task": "classification", "rows": 12, "labels": list(labels),
        "confusion": [[index + number for number in range(len(labels))] for index in range(len(labels))],
        "curves": [{"label": label, "share": 0.5, "roc": CURVE, "precision_recall": CURVE, "calibration": calibration}
                   for label in labels],
        "importance": {"kind": "share", "columns": [column, "job"], "values": [0.7, 0.3]},
    }  # fmt: skip


REGRESSION = {
    "task": "regression", "rows": 3,
    "estimates": {"truth": [1.0, 2.0, 3.0], "predicted": [1.1, 2.2, 2.9]},
    "residuals": {"edges": [-1.0, 0.0, 1.0], "counts": [1, 2]},
}  # fmt: skip
KINDS = ["confusion.png", "roc.png", "precision_recall.png", "calibration.png", "importance.png"]


def leaving(model: Model, evaluation: str) -> None:
    """Let the model leave an evaluation: any text."""
    code = f"    pathlib.Path('run/evaluation.json').write_text({evaluation!r})\n    set_tag("
    model.replace("train.py", "    set_tag(", code)


def run_folder(model: Model) -> Path:
    return sorted((model.path.parent / "runs").iterdir())[-1]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "plots").glob("*"))


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 2000


@pytest.mark.slow
def test_a_training_leaves_a_report(repo: Monorepo, model: Model) -> None:
    leaving(model, json.dumps(classification("no", "yes")))
    repo.make(model, "train", "DESCRIPTION=a first try").succeeded()
    folder = run_folder(model)
    assert names(folder) == sorted([*KINDS, "learning_0.png"])
    assert all(is_png(path) for path in (folder / "plots").iterdir())
    page = (folder / "report.html").read_text()
    for part in (folder.name, "a first try", "data/numbers.csv", "accuracy", "0.2", "shape", "parabola", "12 rows"):
        assert part in page, part
    assert page.count("<img src='data:image/png;base64,") == 6


@pytest.mark.slow
def test_a_report_is_drawn_anew(repo: Monorepo, model: Model) -> None:
    leaving(model, json.dumps(REGRESSION))
    repo.make(model, "train").succeeded()
    folder = run_folder(model)
    before = (folder / "report.html").read_bytes()
    assert names(folder) == ["estimates.png", "learning_0.png", "residuals.png"]
    shutil.rmtree(folder / "plots")
    (folder / "report.html").unlink()
    assert "would draw" in repo.make(model, "-n", "report").succeeded().out
    assert not (folder / "report.html").exists()
    made = repo.make(model, "report", f"ID={folder.name[-6:]}").succeeded()
    assert made.out.strip() == str((folder / "report.html").relative_to(repo.path))
    assert (folder / "report.html").read_bytes() == before
    assert made.out == repo.make(repo.path, "report", f"ID={folder.name}").succeeded().out
    repo.make(model, "report", "ID=nothing").failed("ID=nothing: no such run")


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", ['{"confusion": 3}', "[1", '{"confusion": [["a"]], "labels": ["a"]}'])
def test_an_evaluation_that_is_none_does_not_fail_the_training(repo: Monorepo, model: Model, evaluation: str) -> None:
    leaving(model, evaluation)
    made = repo.make(model, "train").succeeded()
    (warning,) = [line for line in made.err.splitlines() if line.startswith("warning: no report of ")]
    folder = run_folder(model)
    assert f"make report ID={folder.name}" in warning
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    assert model.binary.is_file()
    repo.make(model, "report").failed(str(folder), "no report")


@pytest.mark.slow
def test_a_failed_run_has_a_report_when_asked(repo: Monorepo, model: Model) -> None:
    assert repo.make(model, "train", 'PAYLOAD={"params": {"crash": true}}').status
    folder = run_folder(model)
    assert not (folder / "report.html").exists()
    repo.make(model, "report").succeeded()
    page = (folder / "report.html").read_text()
    assert "RuntimeError: as asked" in page
    assert "class='status failed'" in page


# -- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path: Path) -> Run:
    run = new_run(tmp_path, f"p/{HOSTILE}", "m")
    run = run.ended(
        "finished", model_name=HOSTILE, params={HOSTILE: {"a": [HOSTILE]}}, metrics={HOSTILE: 0.5, "nan": float("nan")},
        tags={"description": HOSTILE, HOSTILE: HOSTILE, "long": "x" * 500}, error=HOSTILE,
    )  # fmt: skip
    evaluation = classification(HOSTILE, "_second\n$", "第三", "x" * 300, "", column=HOSTILE)
    evaluation["rows"] = "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>"
    (run.folder / "evaluation.json").write_text(json.dumps(evaluation))
    lines = [{"name": HOSTILE, "value": value, "step": step} for step, value in enumerate((1.0, "nan", 0.5, "inf"))]
    (run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_a_hostile_run_is_shown_and_not_run(hostile: Run, visit: Callable[..., Any], width: int, scheme: str) -> None:
    path = write_report(hostile, SILENT)
    here = visit(width, scheme)
    here.page.goto(path.as_uri())
    assert here.page.locator("h1").inner_text() == HOSTILE
    assert here.page.get_by_role("cell", name=HOSTILE, exact=True).count() == 3  # the error, two tags
    assert here.page.locator("img").count() == 6
    assert here.page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth === 768)")
    assert here.page.evaluate("document.documentElement.scrollWidth") <= width
    assert here.complaints == []
    assert all(host.startswith(("file:", "data:")) for host in here.hosts)


@pytest.mark.slow
def test_dark_and_light_are_both_readable(hostile: Run, visit: Callable[..., Any]) -> None:
    path = write_report(hostile, SILENT)
    brightness = {}
    for scheme in ("light", "dark"):
        here = visit(800, scheme)
        here.page.goto(path.as_uri())
        colours = here.page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        brightness[scheme] = [sum(map(int, colour[4:-1].split(","))) / 765 for colour in colours]
    (text, ground), (dark_text, dark_ground) = brightness["light"], brightness["dark"]
    assert ground - text > 0.7
    assert dark_text - dark_ground > 0.7


# -- underneath -----------------------------------------------------------------------------------------------------


def test_nothing_of_a_run_is_markup(hostile: Run) -> None:
    page = write_report(hostile, SILENT).read_text()
    assert "<img src=x" not in page
    assert page.count("<meta ") == 3, "the page's own: what evaluation.json has for rows is no number"


@pytest.mark.slow
def test_the_trials_of_a_tuning_are_shown(tmp_path: Path) -> None:
    """As make tune leaves them: with values, pruned, failed, and with names of anybody's."""
    run = new_run(tmp_path, "p/m", "m", kind="tuning", tags={"metric": "loss"})
    import optuna

    study = optuna.create_study(storage=f"sqlite:///{run.path('study.db')}", study_name="tuning")
    for number in range(9):
        trial = study.ask()
        x, kind = trial.suggest_float("x<b>", 1e-3, 10, log=True), trial.suggest_categorical("kind", ["null", '"a"'])
        trial.set_user_attr("params", {"x<b>": x, "kind": json.loads(kind)})
        state = {7: optuna.trial.TrialState.PRUNED, 8: optuna.trial.TrialState.FAIL}.get(number)
        study.tell(trial, None if state else (x - 2) ** 2, state=state)
    page = write_report(run, SILENT).read_text()
    assert names(run.folder) == [
        "trials_history.png", "trials_importance.png", "trials_slice_0.png", "trials_slice_1.png",
    ]  # fmt: skip
    assert "7 trials, 2 gave no value; the best is " in page
    rows = re.findall(r"<tr><th scope='row'>(\d+)</th><td>([^<]*)</td><td>(\w+)</td>", page)
    assert len(rows) == 9
    assert [float(value) for _, value, _ in rows[:7]] == sorted(float(value) for _, value, _ in rows[:7])
    assert [row[1:] for row in rows[7:]] == [("-", "pruned"), ("-", "fail")]
    assert "x<b>" not in page
    outcome = read_outcome(run, SILENT)
    assert outcome is not None
    assert sum(outcome.importance.values()) == pytest.approx(1)
    run.path("study.db").write_bytes(b"no database")
    assert "Trials" not in write_report(run, SILENT).read_text()


def test_names_are_no_formulas_and_leave_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    from trainyard.host.experiments.plots import draw  # matplotlib takes a second

    plots = draw(classification("$\\frac{", "_hidden", "第三", column="$"), [Point("$_{", n, n, 0) for n in (1, 2)])
    assert len(plots) == 6
    assert capfd.readouterr().err == ""


def test_only_metrics_of_several_steps_have_a_curve() -> None:
    from trainyard.host.experiments.plots import draw

    points = [Point("loss", 1, 0, 0), Point("loss", 0.5, 1, 0), Point("train_loss", 1, 0, 0), Point("once", 1, 0, 0)]
    assert [plot.description for plot in draw({}, points)] == ["loss by step: loss ends at 0.5"]
    points.append(Point("train_loss", 0.4, 1, 0))
    assert [plot.description for plot in draw({}, points)] == ["loss by step: loss ends at 0.5, train_loss ends at 0.4"]
    alone = [Point("train_only", value, step, 0) for step, value in enumerate((2.0, 1.0))]
    assert [plot.description for plot in draw({}, alone)] == ["train_only by step: train_only ends at 1"]


def test_what_comes_after_the_pictures_were_drawn_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainyard.host.experiments.report.LOOK_SECONDS", 0.01)
    run = new_run(tmp_path, "p/m", "m")
    evaluation, metrics = run.path("evaluation.json"), run.path("metrics.jsonl")
    drawn: list[int] = []
    monkeypatch.setattr("trainyard.host.experiments.plots.draw", lambda *left: drawn.append(len(left[1])) or [])
    with DrawnAhead(run, SILENT) as ahead:
        whole = tmp_path / "whole.json"  # it is looked at as soon as it is there
        whole.write_text(json.dumps(REGRESSION))
        whole.replace(evaluation)
        until(lambda: drawn)
    write_report(run, SILENT, ahead)
    assert drawn == [0]  # and not twice
    with DrawnAhead(run, SILENT) as ahead:
        until(lambda: len(drawn) == 2)
        metrics.write_text('{"name": "late", "value": 1, "step": 0}\n')
    write_report(run, SILENT, ahead)
    assert drawn == [0, 0, 1]


def test_nobody_draws_on_once_the_training_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An interpreter that ended while a thread was importing numpy ended with a segmentation fault.
    run = new_run(tmp_path, "p/m", "m")
    run.path("evaluation.json").write_text(json.dumps(REGRESSION))
    drawing = threading.Event()

    def slowly(*_: object) -> list[object]:
        drawing.set()
        time.sleep(0.3)
        return []

    monkeypatch.setattr("trainyard.host.experiments.plots.draw", slowly)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the training failed"), DrawnAhead(run, SILENT):
        drawing.wait(10)
        raise RuntimeError("the training failed")
    assert threading.active_count() == before


def test_nothing_is_imported_for_a_run_that_left_nothing(tmp_path: Path) -> None:
    run = new_run(tmp_path, "p/m", "m")
    code = (
        "import sys; from pathlib import Path; from trainyard.host.experiments import report, run_files\n"
        "from trainyard.host.support.reporter import SILENT\n"
        f"run = run_files.read_run(Path({str(run.folder)!r}), SILENT)\n"
        "with report.DrawnAhead(run, SILENT) as drawn: pass\n"
        "report.write_report(run, SILENT, drawn)\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert "<img" not in (run.folder / "report.html").read_text()
