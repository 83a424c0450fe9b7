"""Every training is a run: what is written down of it, while it goes and after."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from monorepo import Model, Monorepo, interrupt
from waiting import until

from trainyard.host.experiments.metrics_log import read_points
from trainyard.host.support.reporter import SILENT


def folders(model: Model) -> list[Path]:
    return sorted((model.path.parent / "runs").glob("*"))


def run_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def payload(**params: object) -> str:
    return "PAYLOAD=" + json.dumps({"params": params})


@pytest.mark.slow
def test_a_training_is_written_down(repo: Monorepo, model: Model) -> None:
    (model.path / "config.yaml").write_text("params:\n  x: 1.5\n  steps: 4\n")
    made = repo.make(model, "train", payload(steps=2), "DESCRIPTION=first try").succeeded()
    (folder,) = folders(model)
    run = run_of(folder)
    assert run["status"] == "finished"
    assert run["params"] == {"x": 1.5, "steps": 2, "pause": 0.0}
    assert run["metrics"] == {"loss": 0.25, "accuracy": 0.8}
    assert run["tags"] | {"description": "first try", "dataset": "data/numbers.csv", "shape": "parabola"} == run["tags"]
    assert len(run["tags"]["dataset_sha256"]) == len(run["tags"]["lock"]) == 64
    assert run["finished"] > run["started"]
    assert [(p.step, p.value) for p in read_points(folder / "metrics.jsonl", SILENT)] == [(0, 1.25), (1, 0.75)]
    log = (folder / "log.txt").read_text()
    assert "trained by process" in log
    assert "trained by process" in made.out
    assert json.loads((folder / "record.json").read_text())["sha256"] == json.loads(model.record.read_text())["sha256"]
    assert folder.name in made.err


@pytest.mark.slow
def test_a_dataset_that_is_a_folder_is_hashed_as_a_whole(repo: Monorepo, model: Model) -> None:
    sales = model.path.parent / "data" / "sales"
    sales.mkdir()
    hashes = []
    for name in ("part-1.csv", "part-2.csv"):
        (sales / name).write_text("a,b\n1,2\n")
        repo.make(model, "train", "DATASET_NAME=data/sales").succeeded()
        tags = run_of(folders(model)[-1])["tags"]
        assert tags["dataset"] == "data/sales"
        hashes.append(tags["dataset_sha256"])
    assert len(set(hashes)) == 2
    assert json.loads(model.record.read_text())["dataset_sha256"] == hashes[1]
    (sales / "odd").symlink_to("/etc")
    repo.make(model, "train", "DATASET_NAME=data/sales").failed(f"{sales}/odd: a link out of the data folder")
    assert len(folders(model)) == 2


@pytest.mark.slow
def test_the_last_metrics_are_stable_files(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train", payload(x=1.0)).succeeded()
    project = model.path.parent
    files = [project / "training_metrics.json", *sorted((project / "training_metrics").iterdir())]
    before = [path.read_bytes() for path in files]
    assert [path.name for path in files[1:]] == [f"{model.name}.csv", f"{model.name}.json"]
    assert json.loads(before[0]) == {model.name: {"loss": 1.0, "accuracy": 0.5}}
    assert before[1].decode().splitlines()[:2] == ["step,loss", "0,2.0"]
    repo.make(model, "train", payload(x=1.0)).succeeded()
    assert [path.read_bytes() for path in files] == before


@pytest.mark.slow
def test_runs_are_listed_sorted_and_shown(repo: Monorepo, model: Model) -> None:
    for x in (0.0, 2.0, 1.0):
        repo.make(model, "train", payload(x=x)).succeeded()
    first, second, third = (folder.name for folder in folders(model))
    assert [line.split()[0] for line in repo.make(model, "runs").succeeded().out.splitlines()] == [
        "RUN", third, second, first,
    ]  # fmt: skip
    for metric, order in (("loss", [second, third, first]), ("accuracy", [second, third, first])):
        lines = repo.make(model, "runs", f"SORT={metric}").succeeded().out.splitlines()
        assert [line.split()[0] for line in lines[1:]] == order
    repo.make(model, "runs", "SORT=f2").failed("SORT=f2: no run has such a metric", "accuracy, loss")
    shown = repo.make(model, "run-show", f"ID={second[-6:]}").succeeded().out
    assert second in shown
    assert "param x" in shown
    assert f"run{'':<16}" in repo.make(model, "run-show").succeeded().out
    assert third in repo.make(repo.path, "runs", f"MODEL={model.project}/{model.path.name}").succeeded().out
    assert third in repo.make(repo.path, "runs").succeeded().out
    repo.make(model, "run-show", "ID=nothing").failed("ID=nothing: no such run")
    repo.make(model, "run-show", "ID=2").failed("3 runs are called so")

    runs = json.loads(repo.make(model, "runs", "SORT=loss", "FORMAT=json").succeeded().out)
    assert [(run["id"], run["params"]["x"], run["metrics"]["loss"]) for run in runs] == [
        (second, 2.0, 0.0), (third, 1.0, 1.0), (first, 0.0, 4.0),
    ]  # fmt: skip
    lines = list(csv.DictReader(io.StringIO(repo.make(model, "runs", "FORMAT=csv").succeeded().out)))
    assert next((line["id"], line["status"], line["params.x"]) for line in lines) == (third, "finished", "1.0")
    repo.make(model, "runs", "FORMAT=xml").failed("FORMAT=xml", "table, json, csv")

    compared = repo.make(model, "compare", f"ID={first[-6:]} {third}").succeeded()
    rows = [line.split() for line in compared.out.splitlines()]
    assert rows[0] == [first, third]
    assert ["param", "x", "0.0", "1.0"] in rows
    assert ["metric", "loss", "4", "1", "*"] in rows
    page = (repo.path / f".trainyard/comparisons/{first[-6:]}-{third[-6:]}.html").read_text()
    assert page.count("<img src='data:image/png;base64,") == 1, "loss by step, a line for each run"
    repo.make(model, "compare", f"ID={first}").failed("two runs or more")
    repo.make(model, "compare", f"ID={first} nothing").failed("ID=nothing: no such run")


@pytest.mark.slow
def test_a_training_that_fails_is_a_failed_run(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "train", payload(crash=True))
    assert made.status == 2
    (folder,) = folders(model)
    run = run_of(folder)
    assert run["status"] == "failed"
    assert run["error"] == "RuntimeError: as asked"
    assert not model.binary.exists()
    assert not (model.path.parent / "training_metrics.json").exists()


def test_ctrl_c_is_an_interrupted_run(repo: Monorepo, model: Model) -> None:
    process = repo.spawn(model, "train", payload(pause=30))
    until(lambda: reports(model))
    interrupt(process)
    assert run_of(folders(model)[0])["status"] == "interrupted"


def test_a_killed_training_is_a_failed_run(repo: Monorepo, model: Model) -> None:
    process = repo.spawn(model, "train", payload(pause=30))
    until(lambda: reports(model))
    (trainer,) = pids_of("trainyard.image.train", model)
    os.kill(trainer, signal.SIGKILL)
    process.communicate(timeout=60)
    assert run_of(folders(model)[0])["status"] == "failed"


@pytest.mark.slow
def test_a_run_whose_make_was_killed_is_found_out(repo: Monorepo, model: Model) -> None:
    process = repo.spawn(model, "train", payload(pause=30))
    until(lambda: reports(model))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert run_of(folders(model)[0])["status"] == "running"
    assert "killed" in repo.make(model, "runs").succeeded().out
    assert run_of(folders(model)[0])["status"] == "killed"


@pytest.mark.slow
def test_two_trainings_at_once_are_two_runs_with_their_own_records(repo: Monorepo, model: Model) -> None:
    repo.make(model, "build-train").succeeded()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda x: repo.make(model, "train", payload(x=x, pause=0.2)).succeeded(), (0.0, 1.0)))
    records = [json.loads((folder / "record.json").read_text()) for folder in folders(model)]
    assert sorted(record["metrics"]["loss"] for record in records) == [1.0, 4.0]
    assert json.loads(model.record.read_text()) in records


def test_metrics_are_seen_while_it_trains(repo: Monorepo, model: Model) -> None:
    process = repo.spawn(model, "train", payload(steps=40, pause=0.35))
    try:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("---> step "):
                break
        assert "loss" in lines[-1], lines
        assert run_of(folders(model)[0])["status"] == "running"
    finally:
        interrupt(process)


@pytest.mark.slow
def test_nan_is_written_down_and_sorted_last(repo: Monorepo, model: Model) -> None:
    for params in ({"nan": True}, {"x": 1.0}):
        repo.make(model, "train", payload(**params)).succeeded()
    bad, good = folders(model)
    assert json.loads((bad / "run.json").read_text(), parse_constant=pytest.fail)["metrics"]["loss"] == "nan"
    assert [line.split()[0] for line in repo.make(model, "runs", "SORT=loss").out.splitlines()[1:]] == [
        good.name, bad.name,
    ]  # fmt: skip


@pytest.mark.slow
def test_a_damaged_run_is_said_and_the_others_listed(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train").succeeded()
    repo.make(model, "train").succeeded()
    good, bad = folders(model)
    (bad / "run.json").write_text("{")
    for verb in ("runs", "run-show"):
        made = repo.make(model, verb).succeeded()
        assert good.name in made.out
        assert f"{bad / 'run.json'}: not a readable run" in made.err


def test_a_config_with_a_mistake_trains_nothing(repo: Monorepo, model: Model) -> None:
    (model.path / "config.yaml").write_text("params:\n  x: 1\ntunning: {}\n")
    repo.make(model, "train").failed("config.yaml:3: tunning: unknown key", "did you mean tuning?")
    assert not folders(model)


def test_an_edit_of_the_config_builds_nothing(repo: Monorepo, model: Model) -> None:
    repo.make(model, "build-train").succeeded()
    (model.path / "config.yaml").write_text("params: {x: 1.0}\n")
    assert "is up to date" in repo.make(model, "build-train").succeeded().err


@pytest.mark.slow
def test_tuned_parameters_win_over_the_configs(repo: Monorepo, model: Model) -> None:
    (model.path / "config.yaml").write_text("params: {x: 1.0}\n")
    (model.path / "hyperparameters.yaml").write_text("x: 1.5\n")
    assert "hyperparameters.yaml" in repo.make(model, "train").succeeded().err
    assert run_of(folders(model)[0])["params"]["x"] == 1.5


def reports(model: Model) -> list[Path]:
    """The metrics of trainings that have begun to report them."""
    return list(model.path.parent.glob("runs/*/metrics.jsonl"))


def pids_of(text: str, model: Model) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_text() and model.name in str((path.parent / "cwd").readlink()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


# -- underneath -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_variables_of_config_yaml_reach_the_training_and_the_server(repo: Monorepo, model: Model) -> None:
    (model.path / "config.yaml").write_text("environment: {OMP_NUM_THREADS: 7, MODE: fast}\n")
    names = '"MODE", "OMP_NUM_THREADS", "MKL_NUM_THREADS"'
    model.replace(
        "train.py", 'print("trained', f'print("variables", *map(os.environ.get, ({names})))\n    print("trained'
    )
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert f"variables fast 7 {threads}\n" in repo.make(model, "-j2", "train").succeeded().out
    assert "MODE=fast" in repo.make(model, "-n", "predict").succeeded().out
