"""make reproduce: a run is trained again from its commit, data, parameters, lock and engine, and compared."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, interrupt, nobody_elses
from needs import need
from package_index import served, wheel
from waiting import until

from experiments.reproductions import commit, git, in_git, left_behind, reproduce, retag, rows, run_of, runs, trained

OTHERS = ("prune", "clean")  # verbs that remove what a killed one has left, as the next one does
LOSS = 'loss = float("nan") if params.get("nan") else (params["x"] - 2) ** 2'


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    """A monorepo in git, in a folder with a space in its name; data is not in git."""
    yield in_git(Monorepo(tmp_path_factory.mktemp("repo") / "of mine"))


@pytest.mark.slow
def test_a_run_is_trained_again_as_it_was(repo: Monorepo, model: Model) -> None:
    """Though its sources have changed since; what the user has stays as it is."""
    folder = trained(repo, model)
    model.replace("train.py", LOSS, "loss = 99.0")
    second = trained(repo, model)
    assert run_of(second)["metrics"]["loss"] == 99
    assert run_of(folder)["tags"]["engine"] == "process"
    before = {path: path.stat().st_mtime_ns for path in model.path.parent.rglob("*")}
    made = reproduce(repo, model, folder).succeeded()
    found = rows(made)
    assert found["metric loss"] == ["0.25", "0.25", "equal"]
    equal = ("metric accuracy", "binary sha256", "data sha256", "commit", "lock", "engine", "image identity", "python")
    assert [name for name in equal if found[name][-1] != "equal"] == []
    assert {path: path.stat().st_mtime_ns for path in model.path.parent.rglob("*")} == before
    assert "is reproduced" in made.err
    assert "can be reproduced   yes" in repo.make(model, "run-show", f"ID={folder.name}").succeeded().out


@pytest.mark.slow
def test_what_differs_is_a_failure_with_the_table(repo: Monorepo, model: Model) -> None:
    model.replace("train.py", LOSS, "loss = time.time()")
    folder = trained(repo, model)
    made = reproduce(repo, model, folder)
    line = made.failed(folder.name, "not everything is equal: metric accuracy, metric loss")
    assert "docs/experiments.md" in line
    before, now, result, difference = rows(made)["metric loss"]
    assert (float(before) < float(now), result, difference[0]) == (True, "different", "+")
    made = reproduce(repo, model, folder, "FORMAT=json")
    found = json.loads(made.out)
    assert (found["run"], found["reproduced"]) == (folder.name, False)
    assert made.status == 2
    reproduce(repo, model, folder, "FORMAT=csv").failed("FORMAT=csv", "table, json")


@pytest.mark.slow
def test_changed_and_lost_data_is_said_before_anything_is_built(repo: Monorepo, model: Model) -> None:
    folder = trained(repo, model)
    data = model.path.parent / "data" / "numbers.csv"
    text = data.read_text()
    data.write_text("a,b\n9,9\n")
    made = reproduce(repo, model, folder)
    made.failed(f"{data} had sha256 b94851485464, and has", "put back what it was")
    assert "Building" not in made.err
    shown = repo.make(model, "run-show", f"ID={folder.name}").succeeded().out
    assert "can be reproduced   no: its dataset" in shown
    data.unlink()
    reproduce(repo, model, folder).failed(f"{data} is gone")
    data.write_text(text)
    reproduce(repo, model, folder).succeeded()


@pytest.mark.slow
def test_data_that_is_committed_is_as_it_was_then(repo: Monorepo, model: Model) -> None:
    parts = model.path.parent / "data" / "parts"
    parts.mkdir()
    for path in (parts / "1.csv", model.path.parent / "data" / "kept.csv"):
        path.write_text("a,b\n1,2\n")
        git(repo, "add", "--force", str(path))
    folders = [trained(repo, model, f"DATASET_NAME=data/{name}") for name in ("parts", "kept.csv")]
    for path in (parts / "1.csv", model.path.parent / "data" / "kept.csv"):
        path.write_text("a,b\n3,4\n")
    for folder in folders:
        assert "can be reproduced   yes" in repo.make(model, "run-show", f"ID={folder.name}").succeeded().out
        assert rows(reproduce(repo, model, folder).succeeded())["data sha256"][-1] == "equal"


@pytest.mark.slow
def test_a_commit_that_is_gone(tmp_path: Path) -> None:
    repo = in_git(Monorepo(tmp_path / "repo"))
    model = repo.add_model("plain")
    folder = trained(repo, model, "PAYLOAD={}")
    lost = run_of(folder)["tags"]["commit"]
    commit(repo, "--amend")
    reproduce(repo, model, folder).succeeded()  # git has it for some weeks
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    reproduce(repo, model, folder).failed(f"commit {lost[:12]} is not in this repository")

    trained(repo, model, "PAYLOAD={}")
    kept = run_of(runs(model)[-1])["tags"]["commit"]
    commit(repo)
    (repo.path / ".git").rename(tmp_path / "whole")
    git(repo, "clone", "--quiet", "--bare", "--depth=1", f"file://{tmp_path}/whole", str(repo.path / ".git"))
    git(repo, "config", "core.bare", "false")
    line = repo.make(model, "run-show").succeeded().out
    assert f"commit {kept[:12]} is not in this shallow clone: git fetch --unshallow" in line


@pytest.mark.slow
def test_all_that_stands_in_the_way_is_said_at_once(repo: Monorepo, model: Model) -> None:
    folder = trained(repo, model)
    plain = (folder / "run.json").read_text()
    for tags, reason in (
        ({"tracking": "own"}, "its train function tracks itself"),
        ({"sources": "unknown"}, "was not built by make"),
        ({"commit": "unknown", "dirty": "unknown"}, "nobody knows the commit"),
        ({"commit": "--upload-pack=x"}, "nobody knows the commit"),
        ({"commit": "0" * 40}, "is not in this repository"),
        ({"dirty": "true"}, "changes that no commit has"),
        ({"dirty": "true", "uncommitted": "utils/x.py"}, "changes that no commit has (utils/x.py)"),
        ({"engine": "rkt"}, "engine rkt, which nobody knows"),
        ({"lock": "0" * 64}, "the lock of its image was not kept"),
        ({"trained_as": "../../x"}, "has no projects/../../x/Makefile"),
    ):
        retag(folder, **tags)
        reproduce(repo, model, folder).failed(f"run {folder.name} cannot be trained again", reason)
        assert reason in repo.make(model, "run-show", f"ID={folder.name}").succeeded().out
        (folder / "run.json").write_text(plain)

    retag(folder, dirty="true", engine="rkt")
    (folder / "requirements.lock").unlink()
    made = reproduce(repo, model, folder)
    made.failed("3 things stand in the way")
    assert made.err.count("warning: ") == 3
    (folder / "run.json").write_text(json.dumps(json.loads(plain) | {"status": "failed"}))
    reproduce(repo, model, folder).failed("has not finished: it is failed")
    (folder / "record.json").write_text("[]")
    (folder / "run.json").write_text(plain)
    reproduce(repo, model, folder).failed("record.json: no JSON object")


@pytest.mark.slow
def test_without_an_id_it_is_the_latest_that_has_finished(repo: Monorepo, model: Model) -> None:
    folder, newest = trained(repo, model), trained(repo, model)
    (newest / "run.json").write_text(json.dumps(run_of(newest) | {"status": "interrupted"}))
    made = repo.make(model, "reproduce").succeeded()
    assert f"Run {newest.name} has not finished (it is interrupted): {folder.name} is the latest that has" in made.err
    assert f"Run {folder.name} is reproduced" in made.err


@pytest.mark.slow
def test_changes_that_were_not_committed_are_named(repo: Monorepo, model: Model) -> None:
    commit(repo)
    (model.path / "train.py").write_text((model.path / "train.py").read_text() + "\n# more\n")
    (model.path / "new.py").write_text("")
    repo.make(model, "train").succeeded()
    place = f"projects/{model.project}/{model.path.name}"
    (folder,) = runs(model)
    assert run_of(folder)["tags"]["uncommitted"] == f"{place}/new.py, {place}/train.py"
    reproduce(repo, model, folder).failed("no commit has", "new.py")


@pytest.mark.slow
def test_the_lock_of_a_run_is_kept_and_used(repo: Monorepo, model: Model) -> None:
    name = "keptbyrun"
    requirement = nobody_elses(name)
    (model.path / "requirements_train.txt").write_text(f"{requirement}\n")
    model.replace("train.py", "import json\n", f"import json\nimport {name}\n")
    model.replace("train.py", LOSS, f"loss = float({name}.VERSION[0])")
    first, second = wheel(name, "1.0"), wheel(name, "2.0")
    with served(first) as index:
        folder = trained(repo, model, f"INDEX_URL={index}")
    with served(first, second) as index:
        shutil.rmtree(repo.path / ".trainyard" / "locks")  # as in another clone: nothing is committed
        newer = trained(repo, model, f"INDEX_URL={index}", "FORCE=1")
        assert [run_of(one)["metrics"]["loss"] for one in (folder, newer)] == [1, 2]
        assert rows(reproduce(repo, model, folder, f"INDEX_URL={index}").succeeded())["lock"][-1] == "equal"
        shutil.rmtree(repo.path / ".trainyard" / "process")
        reproduce(repo, model, folder, f"INDEX_URL={index}").succeeded()
    shutil.rmtree(repo.path / ".trainyard" / "process")
    other = (first[0], wheel(name, "1.0", requires="six")[1])
    for packages in ((second,), (other, second)):
        with served(*packages) as index:
            made = reproduce(repo, model, folder, f"INDEX_URL={index}")
            made.failed("the index no longer has what its lock names: keptbyrun==1.0", "WHEELHOUSE")
            assert "Installing" not in made.err
    made = reproduce(repo, model, folder, "INDEX_URL=http://127.0.0.1:9/simple", UV_CACHE_DIR=str(repo.path / "c"))
    assert "nobody knows whether the packages of the lock can still be had" in made.err
    made.failed("cannot be reached")


@pytest.mark.slow
def test_ctrl_c_leaves_no_work_tree(repo: Monorepo, model: Model) -> None:
    folder = trained(repo, model, 'PAYLOAD={"params": {"pause": 1}}')
    process = repo.spawn(model, "reproduce", f"ID={folder.name}")
    until(lambda: trains_again(repo, folder))
    interrupt(process)
    assert left_behind(repo) == []
    process = repo.spawn(model, "reproduce", f"ID={folder.name}")
    until(lambda: trains_again(repo, folder))
    process.terminate()
    process.communicate(timeout=60)
    until(lambda: left_behind(repo) == [])


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["reproduce", *(pytest.param(verb, marks=pytest.mark.nightly) for verb in OTHERS)])
def test_what_a_killed_one_has_left_is_removed(repo: Monorepo, model: Model, verb: str) -> None:
    folder = trained(repo, model, 'PAYLOAD={"params": {"pause": 0.3}}')
    process = repo.spawn(model, "reproduce", f"ID={folder.name}")
    until(lambda: trains_again(repo, folder))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert len(left_behind(repo)) >= 3
    if verb != "clean":
        assert "worktree remove" in repo.make(repo.path, "-n", "prune").succeeded().out
    where = model if verb == "reproduce" else repo.path
    assert "that was killed had left" in repo.make(where, verb).succeeded().err
    assert left_behind(repo) == []


def trains_again(repo: Monorepo, folder: Path) -> bool:
    name = folder.name.rpartition("-")[2]
    return bool([*repo.path.glob(f".trainyard/reproduce/{name}/projects/*/runs/*/metrics.jsonl")])


@pytest.mark.nightly
@pytest.mark.slow
def test_two_at_once_and_a_training_of_today(repo: Monorepo, model: Model) -> None:
    folder = trained(repo, model, 'PAYLOAD={"params": {"x": 1.5, "pause": 0.3}}')
    model.replace("train.py", LOSS, "loss = 99.0")
    with ThreadPoolExecutor(3) as pool:
        calls = [("reproduce", f"ID={folder.name}"), ("reproduce", f"ID={folder.name}"), ("train",)]
        again, more, today = pool.map(lambda call: repo.make(model, *call).succeeded(), calls)
    assert rows(again)["metric loss"] == rows(more)["metric loss"] == ["0.25", "0.25", "equal"]
    assert '"loss": 99' in today.out
    assert left_behind(repo) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.nightly)])
def test_containers_train_again_on_an_image_of_their_own(tmp_path: Path, engine: str) -> None:
    need(engine)
    repo = in_git(Monorepo(tmp_path / "repo", engine))
    model = repo.add_model("plain")
    try:
        folder = trained(repo, model, "PAYLOAD={}")
        model.replace("train.py", '"rows": len(rows)}, file', '"rows": 0}, file')
        image = f"{model.container}-train"
        before = image_id(engine, image)
        made = reproduce(repo, model, folder, ENGINE="process").succeeded()
        assert rows(made)["engine"] == [engine, engine, "equal"]
        assert rows(made)["binary sha256"][-1] == rows(made)["image identity"][-1] == "equal"
        assert "Asking the index" not in made.err
        assert image_id(engine, image) == before
        assert image_id(engine, f"trainyard-reproduce-{folder.name[-6:]}-train") == ""
        made = reproduce(repo, model, folder, "ENGINE=process").succeeded()
        assert rows(made)["engine"] == [engine, "process", "different"]
        kill_while_it_trains(repo, model, engine)
    finally:
        repo.make(repo.path, "clean")


def kill_while_it_trains(repo: Monorepo, model: Model, engine: str) -> None:
    """Its container goes on, and is ended by the next one."""
    model.replace("train.py", "import pickle\n", "import pickle\nimport time\n")
    model.replace("train.py", "    name = ", "    time.sleep(payload.get('pause', 0))\n    name = ")
    folder = trained(repo, model, 'PAYLOAD={"pause": 4}')
    name = f"trainyard-reproduce-{folder.name[-6:]}-train"
    process = repo.spawn(model, "reproduce", f"ID={folder.name}")
    until(lambda: containers(engine, name))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert containers(engine, name)
    assert "that was killed had left" in repo.make(repo.path, "prune").succeeded().err
    assert containers(engine, name) == []
    assert image_id(engine, name) == ""
    assert left_behind(repo) == []


def containers(engine: str, beginning: str) -> list[str]:
    command = [engine, "ps", "--all", "--format", "{{.Names}}"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if name.startswith(beginning)]


def image_id(engine: str, image: str) -> str:
    command = [engine, "image", "inspect", "--format", "{{.Id}}", image]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
