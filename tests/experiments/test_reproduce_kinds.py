"""make reproduce with each kind of run: tunings, experiments, models of several files, images of another time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Made, Model, Monorepo
from needs import can_mount
from waiting import until

from experiments.reproductions import commit, git, in_git, left_behind, reproduce, rows, run_of, runs, trained

pytestmark = pytest.mark.slow

TUNING = """
params: {steps: 1}
tuning:
  metric: loss
  hyperparams:
    x: {default_value: 1.5, tuning: {param_type: choice, values: [1.5, 1.8]}}
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    yield in_git(Monorepo(tmp_path_factory.mktemp("repo")))


def test_the_final_training_of_a_tuning(repo: Monorepo, model: Model) -> None:
    """Nobody has committed hyperparameters.yaml: what is in there is in the run, too."""
    (model.path / "config.yaml").write_text(TUNING)
    commit(repo)
    repo.make(model, "tune", "TRIALS=2", "WORKERS=1").succeeded()
    by_kind = {run_of(folder)["kind"]: folder for folder in runs(model) if not run_of(folder)["parent"]}
    tuning = by_kind["tuning"]
    final = next(folder for folder in runs(model) if folder.name == run_of(tuning)["tags"]["final_run"])
    assert run_of(final)["tags"]["dirty"] == "true"
    assert "can be reproduced   yes" in repo.make(model, "run-show", f"ID={tuning.name}").succeeded().out
    (model.path / "hyperparameters.yaml").unlink()
    made = reproduce(repo, model, tuning).succeeded()
    assert f"{tuning.name} is a tuning: its final training is {final.name}" in made.err
    assert rows(made)["binary sha256"][-1] == "equal"
    trial = next(folder for folder in runs(model) if run_of(folder)["kind"] == "trial")
    reproduce(repo, model, trial).failed("is a trial of a tuning", f"ID={tuning.name}")


def test_an_experiment_has_test_data_too(repo: Monorepo, model: Model) -> None:
    data = model.path.parent / "data"
    for name in ("train_v1.csv", "test_v1.csv"):
        (data / name).write_text("a,b\n1,2\n")
    text = "DATA_MOUNT: ''\nTRAIN_CSV: train_v1.csv\nTEST_CSV: test_v1.csv\nMODEL_PARAMS: {x: 1.9}\n"
    (model.path / "experiment.yaml").write_text(text)
    folder = trained(repo, model, "CONFIG=experiment.yaml", verb="experiment")
    assert len(run_of(folder)["tags"]["test_dataset_sha256"]) == 64
    assert rows(reproduce(repo, model, folder).succeeded())["test data sha256"][-1] == "equal"
    (data / "test_v1.csv").write_text("a,b\n1,3\n")
    reproduce(repo, model, folder).failed("test_v1.csv had sha256")


def test_data_of_a_store_is_the_version_that_it_was(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "numbers_v1.csv").write_text("a,b\n1,2\n")
    (repo.path / "datastores.yaml").write_text(f"lake: {{url: {lake}}}\n")
    folder = trained(repo, model, "DATASET_NAME=lake:latest.csv")
    assert run_of(folder)["tags"]["dataset"] == "lake:numbers_v1.csv"
    (lake / "numbers_v2.csv").write_text("a,b\n1,2\n9,9\n")
    found = rows(reproduce(repo, model, folder).succeeded())
    assert found["data"] == ["lake:numbers_v1.csv", "lake:numbers_v1.csv", "equal"]
    assert found["data sha256"][-1] == found["data version"][-1] == "equal"
    os.utime(lake / "numbers_v1.csv", (0, 0))
    found = rows(reproduce(repo, model, folder).succeeded())
    assert (found["data sha256"][-1], found["data version"][-1]) == ("equal", "different")
    (lake / "numbers_v1.csv").write_text("a,b\n7,7,7\n")
    reproduce(repo, model, folder).failed("its dataset lake:numbers_v1.csv had version", "put back what it was")
    (lake / "numbers_v1.csv").unlink()
    reproduce(repo, model, folder).failed("lake:numbers_v1.csv: there is no such file")
    (repo.path / "datastores.yaml").unlink()
    assert "no: " in repo.make(model, "run-show", f"ID={folder.name}").succeeded().out
    reproduce(repo, model, folder).failed("lake")


def test_a_model_of_several_files(repo: Monorepo, model: Model) -> None:
    more = 'pathlib.Path(f"models/{name}.vocabulary").write_text(str(time.time()))\n    loss ='
    model.replace("train.py", "loss = float", f"{more} float")
    folder = trained(repo, model)
    found = rows(reproduce(repo, model, folder).succeeded())  # the metrics are equal
    assert found["binary sha256"][-1] == "equal"
    assert f"models/{model.name}.pkl" not in found
    again = json.loads((folder / "record.json").read_text())["files"]
    assert found[f"models/{model.name}.vocabulary"][0] == again[f"{model.name}.vocabulary"][:12]
    assert found[f"models/{model.name}.vocabulary"][-1] == "different"


def test_an_image_of_another_time_is_built_from_its_own_commit(repo: Monorepo, model: Model) -> None:
    trained(repo, model)
    model.replace("train.py", '"accuracy": 1 / (1 + loss)', '"accuracy": 0.0')
    folder = trained(repo, model, "BUILD=0")
    assert run_of(folder)["tags"]["sources"] == "changed"
    assert rows(reproduce(repo, model, folder).succeeded())["metric accuracy"][-1] == "equal"


def test_a_model_without_a_pickle(repo: Monorepo) -> None:
    """Nothing but its files can say whether it is the same."""
    model = repo.add_model("texts", project="written")
    model.replace("train.py", "import pickle", "import time")
    model.replace("train.py", '.pkl", "wb") as file', '.txt", "w") as file')
    model.replace("train.py", "pickle.dump(", "print(")
    model.replace("train.py", "len(rows)}, file)", "len(rows)}, file=file)")
    folder = trained(repo, model, "PAYLOAD={}")
    assert rows(reproduce(repo, model, folder).succeeded())["binary sha256"][-1] == "equal"
    model.replace("train.py", "len(rows)}, file=file)", "time.time()}, file=file)")
    folder = trained(repo, model, "PAYLOAD={}")
    reproduce(repo, model, folder).failed("not everything is equal: binary sha256")


def test_a_local_training_and_one_without_metrics(repo: Monorepo) -> None:
    model = repo.add_model("plain", project="counted")
    folder = trained(repo, model, "PAYLOAD={}", verb="train-local", ENGINE="")
    made = reproduce(repo, model, folder, ENGINE="").succeeded()
    assert "metric" not in made.out
    model.replace("train.py", "len(rows)}, file", "len(rows), 'id': id(payload) + __import__('time').time()}, file")
    folder = trained(repo, model, "PAYLOAD={}", verb="train-local", ENGINE="")
    reproduce(repo, model, folder).failed("not everything is equal: binary sha256")


def test_a_model_that_was_renamed_since(repo: Monorepo) -> None:
    model = repo.add_model("before", project="named")
    folder = trained(repo, model, "PAYLOAD={}")
    repo.make(repo.path, "rename", "MODEL=named/before", "TO=named/after", "FORCE=1").succeeded()
    commit(repo)
    renamed = Model(model.path.with_name("after"), "named", "after", model.container)
    assert run_of(folder)["model"] == "named/after"
    assert rows(reproduce(repo, renamed, folder).succeeded())["binary sha256"][-1] == "equal"


def test_a_training_that_fails_now(repo: Monorepo, model: Model) -> None:
    switch = model.path.parent / "data" / "switch"
    model.replace("train.py", '    if params.get("crash")', '    if pathlib.Path("data/switch").exists()')
    folder = trained(repo, model)
    switch.touch()
    made = reproduce(repo, model, folder)
    assert made.status == 2
    assert f"error: run {folder.name} was trained again, and failed: RuntimeError: as asked" in made.err


def test_a_model_that_needs_a_submodule(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    other = Monorepo(tmp_path / "other")
    in_git(other)
    commit(other)
    place = f"projects/{model.project}/common_utils"
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), place)
    folder = trained(repo, model)
    reproduce(repo, model, folder).failed("its commit has submodules", place, "git submodule update")
    git(repo, "rm", "--quiet", "--force", place)


def test_a_monorepo_below_the_top_of_its_repository(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "whole" / "part")
    in_git(repo)
    (repo.path / ".git").rename(tmp_path / "whole" / ".git")
    model = repo.add_model("plain")
    folder = trained(repo, model, "PAYLOAD={}")
    hook = tmp_path / "whole" / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch $(dirname $0)/ran\n")
    hook.chmod(0o755)
    assert rows(reproduce(repo, model, folder).succeeded())["binary sha256"][-1] == "equal"
    assert not hook.with_name("ran").exists()
    shutil.rmtree(repo.path / ".trainyard" / "locks")
    assert left_behind(repo) == []


@pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")
def test_a_full_disk_leaves_nothing(repo: Monorepo, model: Model) -> None:
    trained(repo, model)
    place = repo.path / ".trainyard" / "reproduce"
    place.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size=64k tmpfs "{place}" && make reproduce; echo "left: $(ls {place})"'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], cwd=model.path, env=repo.environment(), capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    Made(1, "", done.stderr).failed("git worktree add failed", "unable to write file", "make room: ")
    assert "left: \n" in done.stdout
    assert left_behind(repo) == []


@pytest.mark.nightly
def test_a_second_ctrl_c_while_it_tidies_up(repo: Monorepo, model: Model) -> None:
    """What is left then is removed by the next one."""
    folder = trained(repo, model, 'PAYLOAD={"params": {"pause": 1}}')
    process = repo.spawn(model, "reproduce", f"ID={folder.name}")
    until(lambda: [*repo.path.glob(".trainyard/reproduce/*/projects/*/runs/*/metrics.jsonl")])
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)
    out = process.communicate(timeout=60)[0]
    assert "Traceback" not in out
    assert process.returncode != 0
    repo.make(repo.path, "prune").succeeded()
    assert left_behind(repo) == []


def test_data_of_the_place_that_config_yaml_names(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    """Its files appear below data/ by their paths from the prefix on."""
    place = tmp_path / "lake" / "houses"
    place.mkdir(parents=True)
    (place / "numbers.csv").write_text("a,b\n1,2\n3,4\n")
    (repo.path / "datastores.yaml").write_text(f"near: {{url: {tmp_path / 'lake'}, credentials: none}}\n")
    (model.path / "config.yaml").write_text("training: {data: 'near:houses', key_prefix: in/}\n")
    model.replace("Makefile", "data/numbers.csv", "data/in/numbers.csv")
    folder = trained(repo, model)
    assert run_of(folder)["tags"]["dataset"] == "near:houses"
    assert rows(reproduce(repo, model, folder).succeeded())["binary sha256"][-1] == "equal"
    (place / "numbers.csv").write_text("a,b\n1,2\n3,5\n")
    reproduce(repo, model, folder).failed("its dataset near:houses had version", "changed since")
    (repo.path / "datastores.yaml").unlink()
    assert "no data store near" in repo.make(model, "run-show", f"ID={folder.name}").succeeded().out
