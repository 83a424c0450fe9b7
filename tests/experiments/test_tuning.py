"""make tune with the real Optuna, on the process engine: what is found, what stays, what goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pexpect
import pytest
import yaml
from monorepo import Model, Monorepo, interrupt

CONFIG = """
params: {steps: 1}
tuning:
  metric: loss
  max_trials: 6
  seed: 5
  hyperparams:
    x:
      default_value: 0.5
      tuning: {param_type: float, min: 0.0, max: 4.0}
"""


def configure(model: Model, text: str = CONFIG, *changes: tuple[str, str]) -> None:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (model.path / "config.yaml").write_text(text)


def runs(model: Model, kind: str = "") -> list[dict[str, Any]]:
    """The runs of the model's project, the oldest first."""
    found = [json.loads(path.read_text()) for path in sorted((model.path.parent / "runs").glob("*/run.json"))]
    return [run for run in found if kind in ("", run["kind"])]


def tuning(model: Model) -> dict[str, Any]:
    (run,) = runs(model, "tuning")
    return run


def trials(model: Model) -> list[dict[str, Any]]:
    return sorted(runs(model, "trial"), key=lambda run: int(run["tags"]["trial"]))


def tuned(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((model.path / "hyperparameters.yaml").read_text())
    return found


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def workers(model: Model) -> list[int]:
    """The process ids of the workers that tune ``model``, without those of their trials."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_text().endswith("\0trials\0") and model.name in str((path.parent / "cwd").readlink()):
                found[int(path.parent.name)] = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return sorted(pid for pid, parent in found.items() if parent not in found)


def test_the_best_parameters_are_found_written_and_trained_with(repo: Monorepo, model: Model) -> None:
    configure(model)
    (model.path.parent / "models").mkdir()
    made = repo.make(model, "tune", "WORKERS=2", "DESCRIPTION=first search").succeeded()
    found = trials(model)
    assert len(found) == 6
    assert [run["status"] for run in found] == ["finished"] * 6
    assert found[0]["params"] == {"steps": 1, "x": 0.5}  # the defaults come first
    assert all(0 <= run["params"]["x"] <= 4 for run in found)
    assert [run["metrics"]["loss"] for run in found] == [(run["params"]["x"] - 2) ** 2 for run in found]
    assert found[0]["tags"]["shape"] == "parabola"
    best = min(found, key=lambda run: run["metrics"]["loss"])
    assert tuned(model) == {"x": best["params"]["x"]}
    parent, (final,) = tuning(model), runs(model, "training")
    assert parent["id"] in (model.path / "hyperparameters.yaml").read_text().splitlines()[0]
    assert {run["parent"] for run in [*found, final]} == {parent["id"]}
    assert final["metrics"] == parent["metrics"] == best["metrics"]
    assert final["params"] == parent["params"]
    assert parent["status"] == "finished"
    assert parent["tags"] | {"metric": "loss", "direction": "minimize", "final_run": final["id"]} == parent["tags"]
    assert parent["tags"]["description"] == "first search"
    assert json.loads(model.record.read_text())["params"]["x"] == best["params"]["x"]
    assert "[6/6]" in made.err
    assert best["id"] in made.out
    # An ordinary training goes on with them.
    assert "hyperparameters.yaml" in repo.make(model, "train").succeeded().err
    assert runs(model, "training")[-1]["metrics"] == final["metrics"]


def test_trials_change_no_models_and_are_listed_best_first(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 3"))
    repo.make(model, "train", 'PAYLOAD={"params": {"x": 3.5}}').succeeded()
    model.replace("train.py", "record = {", "assert pathlib.Path('models').stat(); record = {")
    model.replace("train.py", 'params.get("crash")', 'not os.path.realpath("models").count("/.staging-")')
    repo.make(model, "build-train").succeeded()
    repo.make(model, "tune", "WORKERS=1").succeeded()
    shown = repo.make(model, "run-show", f"ID={tuning(model)['id']}").succeeded().out
    table = shown[shown.index("TRIAL") :].splitlines()[1:]
    losses = [float(line.split()[1]) for line in table]
    assert losses == sorted(losses)
    assert len(losses) == 3
    listed = repo.make(model, "runs").succeeded().out
    assert tuning(model)["id"] in listed
    assert trials(model)[0]["id"] not in listed
    names = {path.name for path in (model.path.parent / "models").iterdir()}
    assert names == {f"{model.name}.pkl", f"{model.name}.json"}
    assert {path.name for path in (model.path.parent / "runs" / trials(model)[0]["id"]).iterdir()} == {
        "run.json", "metrics.jsonl", "tags.jsonl", "log.txt",
    }  # fmt: skip


def test_a_dry_run_shows_space_trials_and_command(repo: Monorepo, model: Model) -> None:
    configure(model)
    made = repo.make(model, "-n", "tune", "TRIALS=9", "WORKERS=3").succeeded()
    assert re.search(r"^x +float from 0 to 4$", made.out, re.M)
    assert "9 trials by 3 workers: minimize loss" in made.err
    assert "OMP_NUM_THREADS=1" in made.out
    assert made.out.rstrip().endswith("run trials")
    assert not runs(model)


def test_a_small_space_is_tried_whole(repo: Monorepo, model: Model) -> None:
    section = "tuning: {param_type: choice, values: [3.0, 2.0, 0.5]}"
    configure(model, CONFIG, ("tuning: {param_type: float, min: 0.0, max: 4.0}", section), ("trials: 6", "trials: 3"))
    repo.make(model, "tune", "WORKERS=1").succeeded()
    assert [run["params"]["x"] for run in trials(model)] == [0.5, 3.0, 2.0]
    assert tuned(model) == {"x": 2.0}


def test_a_seed_repeats_a_search(repo: Monorepo, model: Model) -> None:
    configure(model)
    repo.make(model, "tune", "TRIALS=4", "WORKERS=1").succeeded()
    (model.path / "hyperparameters.yaml").unlink()
    repo.make(model, "tune", "TRIALS=4", "WORKERS=1").succeeded()
    tried = [run["params"]["x"] for run in runs(model, "trial")]
    assert sorted(tried[:4]) == sorted(tried[4:])
    assert len(set(tried)) == 4


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ([("  metric: loss\n", "  metric: loss\n  tune: false\n")], ["tuning is off in ", "yaml:5: set tune: true"]),
        ([("tuning: {param", "tuning: {tune: false, param")], ["there is nothing to tune", "give a parameter"]),
        ([("  metric: loss\n", "")], ["config.yaml:3: tuning names no metric", "the last run has accuracy, loss"]),
        ([("metric: loss", "metric: lozz")], ["reports no metric 'lozz'", "tuning.metric can be: accuracy, loss"]),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_one_line(
    repo: Monorepo, model: Model, changes: list[tuple[str, str]], parts: list[str]
) -> None:
    configure(model, CONFIG, *changes)
    repo.make(model, "train").succeeded()
    repo.make(model, "tune", "WORKERS=1").failed(*parts)
    assert not (model.path / "hyperparameters.yaml").exists()


def test_a_module_that_cannot_be_imported_is_one_line(repo: Monorepo, model: Model) -> None:
    configure(model)
    repo.make(model, "build-train").succeeded()
    model.replace("train.py", "import json", "import json\nopen('data/not_there.csv')")
    repo.make(model, "build-train").succeeded()
    repo.make(model, "tune", "WORKERS=2").failed("needs data/not_there.csv when it is imported")
    assert tuning(model)["status"] == "failed"
    assert not trials(model)


def test_trials_that_crash_or_give_nan_are_failed_and_never_best(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 5"))
    model.replace("train.py", 'if params.get("crash")', 'if params["x"] == 0.5')
    model.replace("train.py", 'params.get("nan")', 'params["x"] > 2')
    repo.make(model, "tune", "WORKERS=1").succeeded()
    found = trials(model)
    assert found[0]["error"] == "RuntimeError: as asked"
    assert "Traceback" in (model.path.parent / "runs" / found[0]["id"] / "log.txt").read_text()
    assert {run["error"] for run in found if run["params"]["x"] > 2} == {"loss is nan"}
    assert {run["status"] for run in found if run["params"]["x"] > 2 or run["params"]["x"] == 0.5} == {"failed"}
    assert tuned(model)["x"] <= 2


def test_where_every_trial_fails_the_last_reason_is_said(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, crash: true}"), ("max_trials: 6", "max_trials: 2"))
    repo.make(model, "tune", "WORKERS=1").failed("no trial gave a value of loss", "RuntimeError: as asked")
    assert tuning(model)["status"] == "failed"
    assert not model.binary.exists()


def test_a_trial_that_hangs_is_ended(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 3"))
    model.replace("train.py", "time.sleep(params", "time.sleep(60 if params['x'] == 0.5 else params")
    repo.make(model, "tune", "WORKERS=1", "TRIAL_TIMEOUT=2").succeeded()
    assert [run["status"] for run in trials(model)] == ["failed", "finished", "finished"]
    assert "longer than 2 s (TRIAL_TIMEOUT)" in trials(model)[0]["error"]


def test_hopeless_trials_are_pruned(repo: Monorepo, model: Model) -> None:
    configure(
        model, CONFIG, ("max_trials: 6", "max_trials: 9\n  pruning: true"), ("{steps: 1}", "{steps: 8, pause: 0.3}")
    )
    model.replace(
        "train.py", "time.sleep(params", "time.sleep(os.path.isdir('runs') and len(os.listdir('runs')) > 7 and params"
    )
    made = repo.make(model, "tune", "WORKERS=1").succeeded()
    pruned = [run for run in trials(model) if run["status"] == "pruned"]
    assert pruned, made.err
    assert "pruned" in made.err
    best = min(run["metrics"]["loss"] for run in trials(model) if run["status"] == "finished")
    assert tuning(model)["metrics"]["loss"] == best


def test_time_that_is_up_ends_the_search(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("seed: 5", "timeout: 1"), ("{steps: 1}", "{steps: 1, pause: 0.6}"))
    repo.make(model, "tune", "WORKERS=1").succeeded()
    assert 1 <= len(trials(model)) < 6
    assert tuning(model)["status"] == "finished"


def test_what_payload_names_is_not_tuned(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG + "    y:\n      default_value: 1\n      tuning: {param_type: int, min: 1, max: 3}\n")
    repo.make(model, "tune", "TRIALS=2", "WORKERS=1", 'PAYLOAD={"params": {"y": 7}}').succeeded()
    assert [run["params"]["y"] for run in trials(model)] == [7, 7]
    assert list(tuned(model)) == ["x"]


def test_a_module_that_starts_threads_is_imported_by_each_trial(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 2"))
    model.replace(
        "train.py",
        "import time\n",
        "import time\nimport threading\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
    )
    made = repo.make(model, "tune", "WORKERS=1").succeeded()
    assert "each trial imports it anew" in made.err
    assert [run["status"] for run in trials(model)] == ["finished"] * 2
    assert "trained by process" in (model.path.parent / "runs" / trials(model)[0]["id"] / "log.txt").read_text()


# -- interrupted, killed, resumed -------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_study_that_goes_on(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.8}"))
    process = repo.spawn(model, "tune", "WORKERS=2")
    wait_until(lambda: sum(run["status"] == "finished" for run in runs(model, "trial")) >= 2)
    wait_until(lambda: any(run["status"] == "running" for run in runs(model, "trial")))
    said = interrupt(process)
    assert re.search(r"error: interrupted: \d of 6 trials are done: make tune RESUME=1 goes on", said), said
    assert "Traceback" not in said
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


def test_a_killed_make_leaves_a_study_that_goes_on(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.8}"), ("max_trials: 6", "max_trials: 3"))
    process = repo.spawn(model, "tune", "WORKERS=1")
    wait_until(lambda: any(run["status"] == "finished" for run in runs(model, "trial")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_until(lambda: not workers(model))  # they have noticed
    repo.make(model, "tune", "RESUME=1", "WORKERS=1").succeeded()
    study = optuna.load_study(
        study_name="tuning", storage=f"sqlite:///{model.path.parent}/runs/{tuning(model)['id']}/study.db"
    )
    assert sum(trial.state.name == "COMPLETE" for trial in study.trials) == 3
    assert tuning(model)["status"] == "finished"


def test_a_killed_worker_is_replaced(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.8}"), ("max_trials: 6", "max_trials: 4"))
    process = repo.spawn(model, "tune", "WORKERS=1")
    wait_until(lambda: len(runs(model, "trial")) >= 2)
    (worker,) = workers(model)
    os.kill(worker, signal.SIGKILL)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert "a worker was ended" in said
    states = [run["status"] for run in trials(model)]
    assert sorted(states) == ["failed", "finished", "finished", "finished"]


def test_workers_that_always_end_are_not_replaced_for_ever(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 20"))
    model.replace("train.py", "    for step in", "    os.kill(os.getppid(), 9)\n    for step in")
    said = repo.make(model, "tune", "WORKERS=1").failed("workers keep ending", "try WORKERS=1")
    assert "-9" in said
    assert len(trials(model)) == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max: 4.0", "max: 5.0", r"x \(float from 0 to 4; now float from 0 to 5\)"),
        ("{steps: 1}", "{steps: 2}", r"steps \(1; now 2\)"),
        ("metric: loss", "metric: accuracy", "metric"),
    ],
)
def test_a_study_of_another_search_is_not_resumed(repo: Monorepo, model: Model, old: str, new: str, said: str) -> None:
    configure(model)
    repo.make(model, "tune", "TRIALS=1", "WORKERS=1").succeeded()
    configure(model, CONFIG, (old, new))
    error = repo.make(model, "tune", "RESUME=1").failed("its search was another", "start anew, without RESUME=1")
    assert re.search(said, error), error
    assert tuning(model)["status"] == "finished"  # as it was


def test_resume_without_a_study_and_with_a_damaged_one_is_one_line(repo: Monorepo, model: Model) -> None:
    configure(model)
    repo.make(model, "tune", "RESUME=1").failed("has no tuning to go on with")
    repo.make(model, "tune", "TRIALS=1", "WORKERS=1").succeeded()
    (model.path.parent / "runs" / tuning(model)["id"] / "study.db").write_bytes(b"not a database" * 100)
    repo.make(model, "tune", "RESUME=1").failed("study.db: not a usable study", "start anew")


def test_on_a_terminal_there_is_a_bar_with_the_best_so_far(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.3}"), ("max_trials: 6", "max_trials: 3"))
    env = repo.environment(TERM="xterm-256color", COLUMNS="120")
    child = pexpect.spawn("make", ["tune", "WORKERS=1"], cwd=str(model.path), env=env, timeout=120, encoding="utf-8")
    child.expect("best loss 2.25, 1 running")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
