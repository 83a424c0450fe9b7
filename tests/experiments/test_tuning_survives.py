"""make tune, interrupted, killed and resumed."""

from __future__ import annotations

import json
import os
import re
import signal

import optuna
import pytest
from monorepo import Model, Monorepo, interrupt
from waiting import until

from experiments.searches import CONFIG, configure, runs, trials, tuning, workers

pytestmark = pytest.mark.slow


def test_ctrl_c_leaves_a_study_that_goes_on(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.8}"), ("max_trials: 6", "max_trials: 20"))
    process = repo.spawn(model, "tune", "WORKERS=2", "TRIALS=6")
    until(lambda: sum(run["status"] == "finished" for run in runs(model, "trial")) >= 2)
    until(lambda: any(run["status"] == "running" for run in runs(model, "trial")))
    output = interrupt(process)
    assert re.search(r"error: interrupted: \d of 6 trials are done: make tune RESUME=1 goes on", output), output
    assert "Traceback" not in output
    assert not workers(model)
    assert tuning(model)["status"] == "interrupted"
    given_up = [run["params"]["x"] for run in trials(model) if run["status"] == "interrupted"]
    done = [run["params"]["x"] for run in trials(model) if run["status"] == "finished"]
    assert given_up
    repo.make(model, "tune", "RESUME=1", "WORKERS=2").succeeded()
    finished = [run["params"]["x"] for run in trials(model) if run["status"] == "finished"]
    assert len(finished) == 6
    assert len(set(finished)) == 6
    assert set(finished) >= {*done, *given_up}  # nothing is lost, nothing done twice
    assert tuning(model)["status"] == "finished"
    made = repo.make(model, "tune", "RESUME=1").succeeded()
    assert "has all of its 6 trials: TRIALS=12 adds more" in made.err
    assert len(trials(model)) == 6 + len(given_up)
    repo.make(model, "tune", "RESUME=1", "TRIALS=7").succeeded()
    assert len(trials(model)) == 7 + len(given_up)


@pytest.mark.nightly
def test_a_killed_make_leaves_a_study_that_goes_on(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.8}"), ("max_trials: 6", "max_trials: 3"))
    process = repo.spawn(model, "tune", "WORKERS=1")
    until(lambda: any(run["status"] == "finished" for run in runs(model, "trial")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    until(lambda: not workers(model))  # they have noticed
    repo.make(model, "tune", "RESUME=1", "WORKERS=1").succeeded()
    study = optuna.load_study(
        study_name="tuning", storage=f"sqlite:///{model.path.parent}/runs/{tuning(model)['id']}/study.db"
    )
    assert sum(trial.state.name == "COMPLETE" for trial in study.trials) == 3
    assert tuning(model)["status"] == "finished"


@pytest.mark.nightly
def test_a_killed_worker_is_replaced(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.8}"), ("max_trials: 6", "max_trials: 4"))
    process = repo.spawn(model, "tune", "WORKERS=1")
    until(lambda: len(runs(model, "trial")) >= 2)
    (worker,) = workers(model)
    os.kill(worker, signal.SIGKILL)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "a worker was ended" in output
    states = [run["status"] for run in trials(model)]
    assert sorted(states) == ["failed", "finished", "finished", "finished"]


def test_workers_that_always_end_are_not_replaced_for_ever(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 20"))
    model.replace("train.py", "    for step in", "    os.kill(os.getppid(), 9)\n    for step in")
    output = repo.make(model, "tune", "WORKERS=1").failed("workers keep ending", "try WORKERS=1")
    assert "-9" in output
    assert len(trials(model)) == 4


def test_a_study_of_another_search_is_not_resumed(repo: Monorepo, model: Model) -> None:
    configure(model)
    repo.make(model, "tune", "TRIALS=1", "WORKERS=1").succeeded()
    configure(model, CONFIG, ("max: 4.0", "max: 5.0"))
    error = repo.make(model, "tune", "RESUME=1").failed("its search was another", "start anew, without RESUME=1")
    assert "x (float from 0 to 4; now float from 0 to 5)" in error
    assert "steps" not in error
    assert tuning(model)["status"] == "finished"  # as it was


def test_an_edit_is_built_before_a_tuning_goes_on(repo: Monorepo, model: Model) -> None:
    configure(model)
    repo.make(model, "tune", "TRIALS=1", "WORKERS=1").succeeded()
    model.replace("train.py", '(params["x"] - 2) ** 2\n    path', '(params["x"] - 2) ** 2 + 100\n    path')
    made = repo.make(model, "tune", "RESUME=1", "TRIALS=2", "WORKERS=1").succeeded()
    assert "so it is built first" in made.err
    assert f"the trials of {tuning(model)['id']} so far ran in another image" in made.err
    before, after = trials(model)
    assert after["metrics"]["loss"] >= 100 > before["metrics"]["loss"]
    assert before["tags"]["image_identity"] != after["tags"]["image_identity"]
    assert tuning(model)["tags"]["image_identity"] == after["built"]["identity"]
    assert json.loads(model.record.read_text())["built"] == after["built"]


@pytest.mark.nightly
def test_an_image_that_is_replaced_meanwhile(repo: Monorepo, model: Model) -> None:
    """Trials and the final training have the image that the tuning started with."""
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 1}"), ("max_trials: 6", "max_trials: 3"))
    process = repo.spawn(model, "tune", "WORKERS=1")
    until(lambda: runs(model, "trial"))
    model.replace("train.py", "def train(", "EDITED = 1\n\n\ndef train(")
    repo.make(model, "build-train").succeeded()
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    built = {run["built"]["identity"] for run in runs(model)}
    assert built == {json.loads(model.record.read_text())["built"]["identity"]}
    assert "so it is built first" not in repo.make(model, "train").succeeded().err
    assert json.loads(model.record.read_text())["built"]["identity"] not in built


def test_resume_without_a_study_and_with_a_damaged_one_is_one_line(repo: Monorepo, model: Model) -> None:
    configure(model)
    repo.make(model, "tune", "RESUME=1").failed("has no tuning to go on with")
    repo.make(model, "tune", "TRIALS=1", "WORKERS=1").succeeded()
    (model.path.parent / "runs" / tuning(model)["id"] / "study.db").write_bytes(b"not a database" * 100)
    repo.make(model, "tune", "RESUME=1").failed("study.db: not a usable study", "start anew")
