"""What a commit asks for is trained once, and its results are on the branch whole, or not at all."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from monorepo import Made, Monorepo
from waiting import until

from ci.branches import Branches, checked_out, git

pytestmark = pytest.mark.slow
METRICS = "projects/sums/training_metrics.json"


@pytest.fixture
def branches(tmp_path: Path) -> Branches:
    return Branches(tmp_path)


def ci_train(repo: Monorepo, *arguments: str, **env: str) -> Made:
    return repo.make(None, "ci-train", "REPORT=report.md", *arguments, **env)


def pushed_metrics(branches: Branches) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(branches.pushed(METRICS))
    return found


def nearer(branches: Branches, x: float = 1.0) -> None:
    branches.one.replace("config.yaml", "x: 0.0", f"x: {x}")


def test_what_changed_is_trained_and_pushed_once(branches: Branches, tmp_path: Path) -> None:
    nearer(branches)
    marker = tmp_path / "never"
    asking = branches.ask(
        f"[train] \"more\" 'than' $(touch {marker}) `touch {marker}`\n\n; touch {marker}\n[skip ci] no"
    )
    made = ci_train(branches.repo).succeeded()
    assert f"Pushed {git(branches.remote, 'rev-parse', 'work')[:12]} to work: sums/one" in made.err
    assert not marker.exists()
    assert pushed_metrics(branches) == {"one": {"accuracy": 0.5, "loss": 1.0}}
    assert "loss" in branches.pushed("projects/sums/training_metrics/one.csv")
    message = git(branches.remote, "log", "-1", "--format=%B", "work")
    assert message == f"Trained sums/one for {asking[:12]} [skip ci]\n\nTrained-For: {asking}\nTrained-Model: sums/one"
    assert git(branches.remote, "rev-parse", "work^") == asking
    assert branches.git("rev-parse", "HEAD^") == asking  # the work tree has what was pushed
    assert branches.git("status", "--porcelain").split() == ["??", "report.md"]
    assert "### <code>sums/one</code>: new" in (branches.repo.path / "report.md").read_text()
    changed = git(branches.remote, "show", "--name-only", "--format=", "work").split()
    assert changed == [METRICS, "projects/sums/training_metrics/one.csv", "projects/sums/training_metrics/one.json"]
    # Again, here and in the clone of another job.
    tip = git(branches.remote, "rev-parse", "work")
    assert "Nothing is to be trained" in ci_train(branches.repo).succeeded().err
    branches.git("checkout", "-q", "--detach", asking)
    checked_out(branches.repo.path)
    assert "trained and pushed as" in ci_train(branches.repo, "BRANCH=work").succeeded().err
    other = branches.clone(tmp_path / "other", "-b", "work")
    git(other.path, "reset", "-q", "--hard", asking)
    checked_out(other.path)
    assert "trained and pushed as" in ci_train(other).succeeded().err
    assert "| <code>loss</code> | - | 1 |" in (other.path / "report.md").read_text()
    assert len(branches.runs()) == 1
    assert git(branches.remote, "rev-parse", "work") == tip


@pytest.mark.parametrize(("message", "reason"), [("More", "does not begin with"), ("[train]", "touches no model")])
def test_nothing_is_trained(branches: Branches, message: str, reason: str) -> None:
    branches.ask(message)
    assert reason in ci_train(branches.repo).succeeded().err
    assert branches.runs() == []
    assert not (branches.repo.path / "report.md").exists()


def test_one_that_fails_is_said_and_stops_no_other(branches: Branches) -> None:
    branches.write_metrics({"one": {"loss": 0.5}, "two": {"loss": 8.0}})
    branches.one.replace("config.yaml", "steps: 1", "steps: 1, crash: true")
    branches.ask("[train sums/one sums/two sums/three]")
    made = ci_train(branches.repo)
    assert made.status == 2
    assert "error: sums/one, sums/three failed: the report says why\n" in made.err
    assert pushed_metrics(branches) == {"one": {"loss": 0.5}, "two": {"accuracy": 0.2, "loss": 4.0}}
    report = (branches.repo.path / "report.md").read_text()
    assert "as asked" in report
    assert "### <code>sums/three</code>: failed" in report
    assert "### <code>sums/two</code>: new" in report
    # What succeeded is not trained again, what failed is.
    branches.one.replace("config.yaml", ", crash: true", "")
    ci_train(branches.repo, "BRANCH=work").failed("sums/three failed")
    assert [run["model"] for run in branches.runs()] == ["sums/one", "sums/two", "sums/one"]
    assert pushed_metrics(branches)["one"]["loss"] == 4.0


def test_a_remote_that_refuses_gets_it_later(branches: Branches) -> None:
    nearer(branches)
    asking = branches.ask("[train]")
    hook = branches.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'no pushes on Mondays' >&2\nexit 1\n")
    hook.chmod(0o755)
    error = ci_train(branches.repo).failed("git push")
    assert "no pushes on Mondays" in error
    assert "pre-receive hook declined" in error
    assert git(branches.remote, "rev-parse", "work") == asking
    hook.unlink()
    branches.git("checkout", "-q", "--force", ".")  # as a CI server does
    (branches.project / "training_metrics.json").unlink()
    assert f"is that of {asking[:12]}" in ci_train(branches.repo).succeeded().err
    assert len(branches.runs()) == 1
    assert pushed_metrics(branches)["one"]["loss"] == 1.0


def test_results_come_on_top_of_what_others_pushed(branches: Branches, tmp_path: Path) -> None:
    branches.write_metrics({"two": {"loss": 7.0}})
    nearer(branches)
    asking = branches.ask("[train]")
    other = branches.clone(tmp_path / "other", "-b", "work")
    (other.path / METRICS).write_text('{"two": {"loss": 3.0}, "one": {"loss": 99}}')
    (other.path / "words.md").write_text("words\n")
    git(other.path, "add", "-A")
    git(other.path, "commit", "-qm", "Meanwhile")
    git(other.path, "push", "-q")
    ci_train(branches.repo).succeeded()
    assert pushed_metrics(branches) == {"one": {"accuracy": 0.5, "loss": 1.0}, "two": {"loss": 3.0}}
    assert branches.pushed("words.md") == "words"
    assert git(branches.remote, "rev-parse", "work~2") == asking


def test_two_jobs_of_two_commits(branches: Branches, tmp_path: Path) -> None:
    """The later commit's results stay, whoever is the first."""
    nearer(branches, 1.0)
    first = branches.ask("[train]")
    old = branches.clone(tmp_path / "old", "-b", "work")
    branches.one.replace("config.yaml", "x: 1.0", "x: 2.0")
    second = branches.ask("[train]")
    jobs = [repo.spawn(None, "ci-train", "REPORT=report.md", "BRANCH=work") for repo in (old, branches.repo)]
    out = [job.communicate(timeout=600)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], out
    assert pushed_metrics(branches)["one"]["loss"] == 0.0
    asked = git(branches.remote, "log", "--format=%(trailers:key=Trained-For,valueonly,separator=%x2C)", "work")
    assert second in asked.split()
    ci_train(old, "BRANCH=work")  # once more
    assert pushed_metrics(branches)["one"]["loss"] == 0.0
    assert git(old.path, "rev-parse", "HEAD") == first


def test_a_branch_that_was_force_pushed_gets_nothing(branches: Branches, tmp_path: Path) -> None:
    nearer(branches)
    branches.ask("[train]")
    git(branches.remote, "update-ref", "refs/heads/work", git(branches.remote, "rev-parse", "main"))
    ci_train(branches.repo).failed("work does not have", "it was force-pushed")
    assert branches.runs() == []
    git(branches.remote, "update-ref", "-d", "refs/heads/work")
    ci_train(branches.repo).failed("git fetch", "couldn't find remote ref")
    branches.git("checkout", "-q", "--detach")
    ci_train(branches.repo).failed("no branch is checked out", "BRANCH=")
    ci_train(branches.repo, "BRANCH=a..b").failed("not the name of a branch")
    shallow = branches.clone(tmp_path / "shallow", "--depth=1", "-b", "main")
    git(shallow.path, "commit", "-q", "--amend", "--allow-empty", "-m", "[train]")
    ci_train(shallow).failed("this clone is shallow", "git fetch --unshallow")


def test_a_job_that_is_killed_goes_on(branches: Branches) -> None:
    branches.two.replace("config.yaml", "steps: 1", "steps: 1, pause: 60")
    nearer(branches)
    asking = branches.ask("[train]")
    job = branches.repo.spawn(None, "ci-train")
    until(lambda: len(branches.runs()) == 2, 120, branches.runs)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    assert git(branches.remote, "rev-parse", "work") == asking
    for pid in {run["pid"] for run in branches.runs()}:
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 30)
    branches.two.replace("config.yaml", "pause: 60", "pause: 0")
    ci_train(branches.repo).succeeded()
    assert [run["model"] for run in branches.runs()] == ["sums/one", "sums/two", "sums/two"]
    assert sorted(pushed_metrics(branches)) == ["one", "two"]
    assert git(branches.remote, "rev-list", "--count", f"{asking}..work") == "1"


def test_a_tuning_and_files_of_ones_own(branches: Branches) -> None:
    branches.one.replace(
        "config.yaml", "params: {x: 0.0, steps: 1}", "params: {steps: 1}\nci: {commit: [models/one.json]}\n"
        "tuning: {metric: loss, hyperparams: {x: {default_value: 0.0, tuning: "
        "{param_type: choice, values: [1.5, 1.8]}}}}",
    )  # fmt: skip
    branches.ask("[tune sums/one]")
    ci_train(branches.repo, "TRIALS=2", "WORKERS=1").succeeded()
    assert "x: 1.8" in branches.pushed("projects/sums/one/hyperparameters.yaml")
    assert json.loads(branches.pushed("projects/sums/models/one.json"))["metrics"]["loss"] < 0.05
    runs = len(branches.runs())
    # The push is lost, and the checkout is a fresh one.
    branches.git("reset", "-q", "HEAD^")
    branches.git("push", "-q", "--force", "origin", "HEAD")
    (branches.one.path / "hyperparameters.yaml").unlink()
    assert "the tuning" in ci_train(branches.repo, "TRIALS=2", "WORKERS=1").succeeded().err
    assert len(branches.runs()) == runs
    assert "x: 1.8" in branches.pushed("projects/sums/one/hyperparameters.yaml")
    assert "x: 1.8" in (branches.one.path / "hyperparameters.yaml").read_text()


def test_a_file_that_config_lists_has_to_be_there(branches: Branches) -> None:
    with (branches.one.path / "config.yaml").open("a") as file:
        file.write("ci: {commit: [labels.json]}\n")
    branches.ask("[train]")
    ci_train(branches.repo).failed("sums/one failed")
    assert "ci.commit has labels.json, and there is no such file" in (branches.repo.path / "report.md").read_text()
    branches.one.replace("config.yaml", "labels.json", "../labels.json")
    assert "is not the path of a file below the project" in branches.repo.make(branches.one, "check").out
