"""What every storage of a cluster has to do: the contract, for a user who has the Role that docs/compute.md shows and
nothing more."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from monorepo import Model, Monorepo
from needs import need
from waiting import until

from computes.cluster import Cluster
from computes.contract import ComputeContract
from computes.found_runs import said
from computes.one_compute import OneCompute

ROLE = Path(__file__).parents[2] / "deploy/kubernetes/role.yaml"
CLAIM = "kept"
STEPS_LEFT = 12  # of a training whose client is gone


def prepare(cluster: Cluster, namespace: str) -> None:
    """A namespace that enforces the strictest standard, in which ``dev`` may train."""
    for command in (
        ("create", "namespace", namespace),
        ("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"),
        ("apply", f"--namespace={namespace}", f"--filename={ROLE}"),
        ("create", "rolebinding", "trainyard", f"--namespace={namespace}", "--role=trainyard", "--user=dev"),
    ):
        done = cluster.kubectl(*command)
        assert done.returncode == 0, done.stderr


def claim(cluster: Cluster, namespace: str, folder: Path) -> None:
    """A claim, which is a folder of this machine: both nodes see it."""
    folder.chmod(0o777)
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace},
        "spec": {**common, "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}},
    }  # fmt: skip
    wanted = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {**common, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    for one in (volume, wanted):
        done = cluster.kubectl("create", "--filename=-", stdin=json.dumps(one))
        assert done.returncode == 0, done.stderr


class InNamespace(OneCompute):
    cluster: Cluster
    namespace = "lab"

    @pytest.fixture(scope="class")
    @classmethod
    def environ(cls, cluster: Cluster) -> dict[str, str]:
        return cluster.environ("dev")

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, cluster: Cluster) -> Mapping[str, Any]:
        need("docker")
        cls.cluster = cluster
        prepare(cluster, cls.namespace)
        return {"kind": "kubernetes", "namespace": cls.namespace, "registry": cluster.registry}

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        return self.admin("get", "jobs,pods", "--output=name").split()

    def lose(self, task: str) -> None:
        self.admin("delete", "pods", f"--selector=trainyard.dev/task={task}", "--grace-period=0", "--force")

    def admin(self, *arguments: str) -> str:
        done = self.cluster.kubectl(f"--namespace={self.namespace}", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def leave(self, repo: Monorepo, model: Model, environ: Mapping[str, str]) -> Path:
        """The run of a training whose client is gone, and that has ended since."""
        process, run = self.spawn(repo, model, environ, steps=STEPS_LEFT, x=2.25)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: self.objects("jobs")[0]["status"].get("succeeded"), 120)
        return run

    def objects(self, kind: str, *arguments: str) -> list[Any]:
        return json.loads(self.admin("get", kind, *arguments, "--output=json"))["items"]

    @contextmanager
    def no_place(self) -> Iterator[None]:
        """No node takes pods meanwhile."""
        self.admin("cordon", "n1", "n2")
        try:
            yield
        finally:
            self.admin("uncordon", "n1", "n2")


class OnCluster(InNamespace, ComputeContract):
    steps_of_lost = 60  # of a training whose node is lost

    def test_one_whose_node_is_lost_begins_again(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        process, run = self.spawn(repo, model, environ, steps=self.steps_of_lost)
        task = json.loads((run / "compute.json").read_text())["task"]
        node = self.objects("pods", f"--selector=trainyard.dev/task={task}")[0]["spec"]["nodeName"]
        self.cluster.node_network(node, up=False)
        try:
            text = process.communicate(timeout=300)[0]
        finally:
            self.cluster.node_network(node, up=True)
        assert process.returncode == 0, text
        assert "DeletionByTaintManager" in text
        assert said(run)["status"] == "finished"
        until(lambda: not self.left(repo, environ), 120)  # the node ends its pod once it can be reached
