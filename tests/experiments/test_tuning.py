"""make tune with the real Optuna, on the process engine: what is found, what stays, what goes wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pexpect
import pytest
from engines.calls import call
from monorepo import Model, Monorepo
from needs import need
from waiting import until

from experiments.conftest import TRAIN
from experiments.searches import CONFIG, configure, runs, trials, tuned, tuning

pytestmark = pytest.mark.slow


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
    assert {run["tags"]["measured_on"] for run in found} == {"validation"}
    assert final["tags"]["measured_on"] == parent["tags"]["measured_on"] == "test"
    assert "validation part" not in made.err
    report = (model.path.parent / "runs" / final["id"] / "report.html").read_text()
    assert "Measured on the test part of the dataset." in report
    folder = model.path.parent / "runs" / parent["id"]
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["trials_history.png", "trials_slice_0.png"]
    assert f"6 trials; the best is {best['metrics']['loss']:.4g}" in (folder / "report.html").read_text()
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
    assert "TRAINYARD_JOBS=3" in made.out
    assert made.out.rstrip().endswith("run trials")
    assert not runs(model)


def test_a_small_space_is_tried_whole(repo: Monorepo, model: Model) -> None:
    section = "tuning: {param_type: choice, values: [3.0, 2.0, 0.5]}"
    configure(model, CONFIG, ("tuning: {param_type: float, min: 0.0, max: 4.0}", section), ("trials: 6", "trials: 3"))
    model.replace("train.py", 'payload.get("measure_on", "test")', "None")
    made = repo.make(model, "tune", "WORKERS=1", "TRIALS=9").succeeded()
    assert made.err.count("does not say that it measures on the validation part") == 1
    assert "3 trials, every combination of values once, by 1 worker" in made.err
    assert [run["params"]["x"] for run in trials(model)] == [0.5, 3.0, 2.0]
    assert tuned(model) == {"x": 2.0}
    again = repo.make(model, "tune", "RESUME=1").succeeded()
    assert "has all of its 3 trials: every combination of values is tried" in again.err
    assert len(trials(model)) == 3


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


def test_where_every_trial_fails_the_last_reason_is_printed(repo: Monorepo, model: Model) -> None:
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
    section = "tuning: {param_type: choice, values: [2.0, 2.1, 1.9, 2.2, 1.8, 4.0, 0.0]}"
    configure(
        model, CONFIG, ("tuning: {param_type: float, min: 0.0, max: 4.0}", section),
        ("default_value: 0.5", "default_value: 2.0"), ("max_trials: 6", "max_trials: 7\n  pruning: true"),
        ("{steps: 1}", "{steps: 3, pause: 0.0}"),
    )  # fmt: skip
    model.replace("train.py", "time.sleep(params", "time.sleep(60 if params['x'] in (0.0, 4.0) else params")
    made = repo.make(model, "tune", "WORKERS=1").succeeded()
    assert [run["status"] for run in trials(model)] == ["finished"] * 5 + ["pruned"] * 2
    assert "pruned" in made.err
    assert tuned(model) == {"x": 2.0}


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
    fixed = 'PAYLOAD={"params": {"x": 1, "y": 7}}'
    repo.make(model, "tune", fixed).failed("PAYLOAD fixes all that ", "config.yaml has to tune: x, y")


@pytest.mark.nightly
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


def test_on_a_terminal_there_is_a_bar_with_the_best_so_far(repo: Monorepo, model: Model) -> None:
    configure(model, CONFIG, ("{steps: 1}", "{steps: 1, pause: 0.3}"), ("max_trials: 6", "max_trials: 3"))
    env = repo.environment(TERM="xterm-256color", COLUMNS="120")
    child = pexpect.spawn("make", ["tune", "WORKERS=1"], cwd=str(model.path), env=env, timeout=120, encoding="utf-8")
    child.expect("best loss 2.25, 1 running")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.engine("docker")
def test_trials_in_containers(tmp_path: Path) -> None:
    need("docker")
    repo = Monorepo(tmp_path / "repo", "docker")
    model = repo.add_model("tuned")
    (model.path / "train.py").write_text(TRAIN)
    configure(model, CONFIG, ("max_trials: 6", "max_trials: 5"), ("{steps: 1}", "{steps: 1, pause: 1.0}"))
    process = repo.spawn(model, "tune", "WORKERS=2")
    try:
        until(lambda: any(run["status"] == "finished" for run in runs(model, "trial")), 300)
        containers = call("docker", "ps", "--filter", f"name={model.container}-train-trials", "--format", "{{.Names}}")
        assert len(containers.split()) == 2
        call("docker", "kill", containers.split()[0])
        output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output
        assert "a worker was ended (status 137)" in output
        assert [run["status"] for run in trials(model)].count("finished") == 4
        assert json.loads(model.record.read_text())["params"]["x"] == tuned(model)["x"]
        assert not [path for path in model.binary.parent.iterdir() if path.name.startswith(".")]
        left = call("docker", "ps", "--all", "--filter", f"name={model.container}-train-trials", "--quiet")
        assert not left.strip()
    finally:
        repo.make(model, "clean")
