"""A registry that wants a login, of this machine and of the nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from image_registry import ImageRegistry
from monorepo import Model, Monorepo
from needs import need

from computes.cluster import Cluster
from computes.found_runs import newest, said
from computes.on_cluster import InNamespace, prepare

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]
NAME, PASSWORD = "puller", "w0rd"
HASH = "$2b$05$trainyardtestsaltabcde5l8KrOwP9dMbaxXAt.wil89xrUlNWH2"  # of the password, by bcrypt


class TestLogin(InNamespace):
    namespace = "closed"

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
        need("docker")
        cls.cluster = cluster
        prepare(cluster, cls.namespace)
        registry = ImageRegistry(tmp_path_factory.mktemp("closed"), "0.0.0.0", f"{NAME}:{HASH}")
        cluster.know_registry(registry.name)
        registry.start()
        yield {
            "kind": "kubernetes", "namespace": cls.namespace, "registry": registry.name,
            "pull_secret": "registry-login",
        }  # fmt: skip
        registry.stop()

    def test_both_need_it(
        self, repo: Monorepo, model: Model, environ: dict[str, str], entry: Mapping[str, Any], tmp_path: Path
    ) -> None:
        env = {**environ, "DOCKER_CONFIG": str(tmp_path / "docker")}
        registry = entry["registry"]
        self.train(repo, model, env).failed(f"docker login {registry}")
        subprocess.run(
            ["docker", "login", registry, "--username", NAME, "--password-stdin"], input=PASSWORD, text=True,
            env=repo.environment(**env), capture_output=True, check=True,
        )  # fmt: skip
        self.train(repo, model, env).failed("its image cannot be pulled", "pull_secret in compute.yaml")
        login = (f"--docker-server={registry}", f"--docker-username={NAME}", f"--docker-password={PASSWORD}")
        self.admin("create", "secret", "docker-registry", "registry-login", *login)
        self.train(repo, model, env).succeeded()
        assert said(newest(model))["status"] == "finished"
