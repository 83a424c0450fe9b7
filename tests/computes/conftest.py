"""What a compute of each kind is in tests: started once by a worker that needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from computes.cluster import Cluster
from computes.slurm import Slurm
from computes.ssh_host import SshHost
from computes.ssh_host import ssh_host as started_ssh_host


@pytest.fixture(scope="package")  # the tests after those of computes have its share of the machine
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with Slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


@pytest.fixture(scope="session")
def ssh_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with started_ssh_host(tmp_path_factory.mktemp("ssh")) as host:
        yield host
