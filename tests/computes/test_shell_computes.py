"""Computes that a shell reaches: this machine, a host by ssh, a cluster of Slurm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from experiments.tracking import WAIT, Tracking
from monorepo import Model, Monorepo
from needs import need
from waiting import until

from computes.contract import ComputeContract
from computes.found_runs import newest, said, trials_of_newest
from computes.slurm import Slurm
from computes.ssh_host import SshHost
from computes.tuning_contract import CONFIG
from trainyard.host.operations.on_compute.training import clone_mark

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


BEGINS = """
import os, pickle, json

def train(msg):
    name = msg["payload"]["model_name"]
    if base := os.environ.get("BASE_MODEL"):
        with open(base, "rb") as file:
            print("begun from", pickle.load(file)["factor"], flush=True)
    with open(f"models/{name}.pkl", "wb") as file:
        pickle.dump({"factor": 7, "rows": 2}, file)
    with open(f"models/{name}.json", "w") as file:
        json.dump({"metrics": {"loss": 0.5}}, file)
"""


COUNTS = """
import os

def train(msg):
    print(len(os.listdir("data")), "files", flush=True)
    with open(f"models/{msg['payload']['model_name']}.pkl", "wb") as file:
        file.write(b"x")
"""


def folders(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "tasks").glob("*"))


def containers(repo: Monorepo) -> list[str]:
    """Those of a monorepo: other tests have theirs on the same engine."""
    label = f"label=trainyard.clone={clone_mark(repo.path)}"
    listed = ["docker", "ps", "--all", "--filter", label, "--format", "{{.Names}}"]
    return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()


def end_task(folder: Path, task: str) -> None:
    """What runs it, and its container, as in a machine that is switched off."""
    lock = folder / "tasks" / task / "lock"
    subprocess.run(["fuser", "--kill", "--silent", lock], check=False, stderr=subprocess.DEVNULL)
    end_container(task)


def end_container(name: str) -> None:
    """Slurm may be removing it already."""
    listed = ["docker", "ps", "--all", "--quiet", "--filter", f"name=^{name}$"]
    subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True)
    until(lambda: not subprocess.run(listed, capture_output=True, check=True).stdout)


class TestLocal(ComputeContract):
    """Trainings that go on when make has ended."""

    folder: Path

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        need("docker")
        cls.folder = tmp_path_factory.mktemp("far")
        return {"kind": "local", "folder": str(cls.folder)}

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        return folders(self.folder) + containers(repo)

    def lose(self, task: str) -> None:
        end_task(self.folder, task)

    def lose_worker(self, task: str) -> None:
        end_container(f"{task}-1")

    def test_data_goes_there_once(self, repo: Monorepo, environ: dict[str, str]) -> None:
        model = repo.add_model("large", project="large")
        (model.path.parent / "data" / "numbers.csv").write_text("a,b\n" + "7,8\n" * 1000)
        first = self.train(repo, model, environ).succeeded()
        assert "Sending 1 files" in first.err
        again = self.train(repo, model, environ).succeeded()
        assert "Sending" not in again.err
        assert not list((self.folder / "data").glob(".*"))

    def test_what_is_a_trial_s_own_fault_is_not_tried_again(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        tune = (model, "tune", "COMPUTE=small", "NODES=1", "TRIALS=1")
        faults = {"crash: true": "RuntimeError: as asked", "megabytes: 500": "resources.memory in compute.yaml allows"}
        try:
            for fault, why in faults.items():
                (model.path / "config.yaml").write_text(CONFIG.replace("steps: 3", f"steps: 3, {fault}"))
                repo.make(*tune, **environ).failed("no trial gave a value of loss", why)
                assert [one["status"] for one in trials_of_newest(model)] == ["failed"]
        finally:
            (model.path / "config.yaml").unlink()

    def test_thousands_of_files(self, repo: Monorepo, environ: dict[str, str]) -> None:
        """More than pipes hold, and than calls of a program for each could do in a minute."""
        model = repo.add_model("many", project="many")
        for number in range(2000):
            (model.path.parent / "data" / f"part {number}.csv").write_text(f"a,b\n{number},1\n")
        (model.path / "train.py").write_text(COUNTS)
        made = self.train(repo, model, environ).succeeded()
        assert "Sending 2000 files" in made.err  # one is there already
        assert "2001 files" in made.out
        assert "Sending" not in self.train(repo, model, environ).succeeded().err

    def test_data_of_a_store_a_base_model_and_a_tracker(
        self, repo: Monorepo, environ: dict[str, str], tmp_path: Path
    ) -> None:
        """The run, its version and where it began from are what they are at home."""
        (tmp_path / "rows_v2.csv").write_text("a,b\n1,2\n3,4\n")
        (repo.path / "datastores.yaml").write_text(f"shelf: {tmp_path}\n")
        model = repo.add_model("stored", project="stored")
        (model.path / "train.py").write_text(BEGINS)
        (model.path / "config.yaml").write_text("promotion: {metric: loss}\n")
        model.replace("Makefile", "data/numbers.csv", "shelf:latest.csv")
        tracking = Tracking(repo)
        tracking.start()
        try:
            env = {**environ, "TRACKING_URI": tracking.url, **WAIT}
            first = self.train(repo, model, env).succeeded()
            assert "Version 1 of stored.stored is the champion" in first.err
            again = repo.make(
                model, "train", f"COMPUTE={self.name}", f"BASE_MODEL={newest(model).name}", **env
            ).succeeded()
            assert "begun from 7" in again.out
            tags = said(newest(model))["tags"]
            assert (tags["dataset"], tags["version"]) == ("shelf:rows_v2.csv", "2")
        finally:
            tracking.stop()

    def test_a_function_that_tracks_itself_needs_a_tracker_that_is_reached(
        self, repo: Monorepo, environ: dict[str, str]
    ) -> None:
        model = repo.add_model("tracks", project="tracks")
        (model.path / "config.yaml").write_text("tracking: own\n")
        made = self.train(repo, model, {**environ, "TRACKING_URI": "http://127.0.0.1:1"})
        made.failed("does not reach http://127.0.0.1:1", "TRACKING_URI")


class TestSsh(ComputeContract):
    """Another machine, as another user."""

    # By the same program as here, which shows them in every run.
    nightly = frozenset({"test_trials_there_are_those_of_here", "test_clients_that_die_at_random_moments"})
    host: SshHost

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, ssh_host: SshHost) -> Mapping[str, Any]:
        cls.host = ssh_host
        return {"kind": "ssh", "host": "far", "options": ["-F", str(ssh_host.config)]}

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        return folders(self.host.home / "trainyard") + containers(repo)

    def lose(self, task: str) -> None:
        end_task(self.host.home / "trainyard", task)

    def lose_worker(self, task: str) -> None:
        self.host.lose()


class TestSlurm(ComputeContract):
    """Jobs of a cluster; the folder is on every node."""

    nightly = frozenset({"test_trials_there_are_those_of_here", "test_clients_that_die_at_random_moments"})
    folder: Path
    cluster: Slurm

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        cls.folder = tmp_path_factory.mktemp("shared")
        return {"kind": "slurm", "folder": str(cls.folder), "partition": "all"}

    @pytest.fixture(scope="class")
    @classmethod
    def environ(cls, slurm: Slurm) -> dict[str, str]:
        cls.cluster = slurm
        return slurm.environ()

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        listed = ["squeue", "--noheader", "--format", "%j"]
        queue = subprocess.run(listed, capture_output=True, text=True, check=True, env=os.environ | environ)
        return folders(self.folder) + containers(repo) + queue.stdout.split()

    def lose(self, task: str) -> None:
        """Its node fails."""
        self.lose_node_of(task, task)

    def lose_worker(self, task: str) -> None:
        self.lose_node_of(task, f"{task}-1")

    def lose_node_of(self, task: str, container: str) -> None:
        listed = self.cluster.run("squeue", "--noheader", "--name", task, "--sort=i", "--format", "%N")
        node = listed.split()[0]
        self.cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        end_container(container)
        state = ("sinfo", "--noheader", "--nodes", node, "--format", "%t")
        until(lambda: "down" not in self.cluster.run(*state), 60)  # it registers again by itself
