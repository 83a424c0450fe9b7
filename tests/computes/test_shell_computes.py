"""Computes that a shell reaches: this machine, a host by ssh, a cluster of Slurm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from monorepo import Monorepo
from needs import need
from waiting import until

from computes.contract import ComputeContract
from computes.slurm import Slurm
from computes.ssh_host import SshHost
from trainyard.host.operations.on_compute import clone_mark

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


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
    subprocess.run(["docker", "rm", "--force", task], check=True, capture_output=True)


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

    def test_data_goes_there_once(self, repo: Monorepo, environ: dict[str, str]) -> None:
        model = repo.add_model("large", project="large")
        (model.path.parent / "data" / "numbers.csv").write_text("a,b\n" + "7,8\n" * 1000)
        first = self.train(repo, model, environ).succeeded()
        assert "Sending 1 files" in first.err
        again = self.train(repo, model, environ).succeeded()
        assert "Sending" not in again.err
        assert not list((self.folder / "data").glob(".*"))


class TestSsh(ComputeContract):
    """Another machine, as another user."""

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


class TestSlurm(ComputeContract):
    """Jobs of a cluster; the folder is on every node."""

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
        node = self.cluster.run("squeue", "--noheader", "--name", task, "--format", "%N").strip()
        self.cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        subprocess.run(["docker", "rm", "--force", task], check=True, capture_output=True)
        state = ("sinfo", "--noheader", "--nodes", node, "--format", "%t")
        until(lambda: "down" not in self.cluster.run(*state), 60)  # it registers again by itself
