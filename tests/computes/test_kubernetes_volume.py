"""A namespace of a cluster whose storage is a claim: what is in there outlasts pods."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from monorepo import Model, Monorepo
from needs import need

from computes.cluster import Cluster
from computes.found_runs import points, said
from computes.on_cluster import CLAIM, STEPS_LEFT, OnCluster, claim, prepare

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


class TestVolume(OnCluster):
    # Another storage shows them in every run.
    nightly = frozenset(
        {
            "test_it_is_the_same_run_as_at_home",
            "test_a_dead_client_loses_nothing",
            "test_prune_removes_what_a_dead_client_left",
            "test_trials_there_are_those_of_here",
            "test_a_tuning_that_is_killed_and_loses_a_worker_goes_on",
            "test_one_whose_node_is_lost_begins_again",
            "test_clients_that_die_at_random_moments",
        }
    )
    namespace = "lab-volume"
    # It goes on while nobody can reach its node, for its storage is on this machine: a short one would end meanwhile,
    # and would not begin again.
    steps_of_lost = 200
    folder: Path

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
        need("docker")
        cls.cluster, cls.folder = cluster, tmp_path_factory.mktemp("claim")
        prepare(cluster, cls.namespace)
        claim(cluster, cls.namespace, cls.folder)
        return {
            "kind": "kubernetes", "namespace": cls.namespace, "registry": cluster.registry,
            "storage": {"volume": CLAIM},
        }  # fmt: skip

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        return [*super().left(repo, environ), *map(str, self.folder.glob("tasks/*"))]

    def test_data_is_sent_once(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        data = model.path.parent / "data"
        (data / "more").mkdir(parents=True)
        try:
            (data / "more" / "one.csv").write_text("a,b\n1,2\n")
            (data / "more" / "same.csv").write_text("a,b\n1,2\n")
            made = self.train(repo, model, environ).succeeded()
            assert "Sending 0 of" not in made.err
            kept = {path: path.stat().st_ino for path in self.folder.glob("data/*")}
            assert kept
            for path in kept:  # whole, and nobody can change it
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
                assert (path.stat().st_mode & 0o777, path.stat().st_nlink) == (0o444, 1)
            self.train(repo, model, environ).succeeded()
            assert {path: path.stat().st_ino for path in self.folder.glob("data/*")} == kept
            self.check_unread_data_goes(repo, environ)
        finally:
            for path in (data / "more").iterdir():
                path.unlink()
            (data / "more").rmdir()

    def check_unread_data_goes(self, repo: Monorepo, environ: Mapping[str, str]) -> None:
        read, *unread = sorted(self.folder.glob("data/*"))
        for path in unread:
            os.utime(path, (time.time() - 40 * 86400,) * 2)
        assert (
            "remove data in the storage on far"
            in repo.make(None, "-n", "prune", ENGINE="process", **environ).succeeded().out
        )
        assert all(path.exists() for path in unread)
        assert (
            "MB of data on far (unread for 30 days)"
            in repo.make(None, "prune", ENGINE="process", **environ).succeeded().err
        )
        assert list(self.folder.glob("data/*")) == [read]

    def test_results_are_there_when_the_pod_is_gone(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        run = self.leave(repo, model, environ)
        self.admin("delete", "pods", "--all")
        self.check_attached(repo, model, environ, run)

    def test_results_are_there_when_the_job_is_gone(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        """Somebody has tidied up: it is submitted again, and does not train again."""
        run = self.leave(repo, model, environ)
        self.admin("delete", "jobs", "--all")
        self.check_attached(repo, model, environ, run)

    def check_attached(self, repo: Monorepo, model: Model, environ: Mapping[str, str], run: Path) -> None:
        made = repo.make(model, "attach", f"ID={run.name}", **environ).succeeded()
        assert "begins again" not in made.err
        assert said(run)["status"] == "finished"
        assert json.loads((run / "compute.json").read_text())["tries"] == 1
        assert [point["step"] for point in points(run)] == list(range(STEPS_LEFT))
        assert (run / "log.txt").read_text().count("trained by process") == 1
        assert pickle.loads(model.binary.read_bytes())["factor"] == 2.25

    def test_a_claim_that_is_not_there(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        file = repo.path / "compute.yaml"
        before = file.read_text()
        file.write_text(before.replace(f"volume: {CLAIM}", "volume: nothere"))
        try:
            made = self.train(repo, model, environ)
        finally:
            file.write_text(before)
        made.failed('persistentvolumeclaim "nothere" not found', "`storage` in compute.yaml names a claim")
