"""A namespace of a cluster as a compute, for a user who has the Role that docs/compute.md shows and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from monorepo import Monorepo
from needs import need

from computes.cluster import Cluster
from computes.contract import ComputeContract

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]

ROLE = Path(__file__).parents[2] / "deploy/kubernetes/role.yaml"
NAMESPACE = "lab"


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


class TestKubernetes(ComputeContract):
    keeps_checkpoints = False
    cluster: Cluster

    @pytest.fixture(scope="class")
    @classmethod
    def environ(cls, cluster: Cluster) -> dict[str, str]:
        return cluster.environ("dev")

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, cluster: Cluster) -> Mapping[str, Any]:
        need("docker")
        cls.cluster = cluster
        prepare(cluster, NAMESPACE)
        return {"kind": "kubernetes", "namespace": NAMESPACE, "registry": cluster.registry}

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        listed = self.cluster.kubectl("get", "jobs,pods", f"--namespace={NAMESPACE}", "--output=name")
        return listed.stdout.split()

    def lose(self, task: str) -> None:
        chosen = f"--selector=trainyard.dev/task={task}"
        done = self.cluster.kubectl("delete", "pods", chosen, f"--namespace={NAMESPACE}", "--grace-period=0", "--force")
        assert done.returncode == 0, done.stderr
