"""A namespace of a cluster as a compute, for a user who has the Role that docs/compute.md shows and nothing more."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, free_port
from waiting import until
from worked_examples import commit_all, follow, shipped_clone

from computes.cluster import Cluster
from computes.found_runs import newest, points, runs, said
from computes.on_cluster import OnCluster, prepare

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


def follower_of(task: str) -> int:
    """The kubectl that follows the log of its pod; 0 where none does."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            words = path.read_bytes().decode().split("\0")
            if "--follow" in words and any(word.startswith(task) for word in words):
                return int(path.parent.name)
    return 0


class TestKubernetes(OnCluster):
    keeps_checkpoints = False

    def test_a_log_that_breaks_off_is_read_on(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        process, run = self.spawn(repo, model, environ, steps=40)
        task = json.loads((run / "compute.json").read_text())["task"]
        for _ in range(2):
            follower = until(lambda: follower_of(task), 60, process.poll)
            os.kill(follower, signal.SIGKILL)
            seen = len(points(run))
            until(lambda seen=seen: len(points(run)) > seen, 60, process.poll)
        text = process.communicate(timeout=120)[0]
        assert process.returncode == 0, text
        assert text.count("begins at step 0") == 1
        assert [point["step"] for point in points(run)] == list(range(40))

    def test_files_are_sent_by_who_comes_back(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        """The client dies before the task has a place."""
        with self.no_place():
            before = runs(model)
            process = repo.spawn(model, "train", f"COMPUTE={self.name}", **environ)
            run = until(lambda: next(iter(runs(model) - before), None), 120)
            until(lambda: self.objects("pods"), 120, process.poll)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            repo.make(model, "logs", f"ID={run.name}", **environ).succeeded()
        until(lambda: self.objects("pods")[0]["status"]["phase"] == "Running", 120)
        repo.make(model, "attach", f"ID={run.name}", **environ).succeeded()
        assert said(run)["status"] == "finished"

    def test_waiting_for_a_node_is_said_once_and_ends(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        with self.no_place():
            made = repo.make(model, "train", f"COMPUTE={self.name}", "WAIT_TIMEOUT=8", **environ)
        made.failed("it has waited for longer than 8 s (no node has a place: 0/2 nodes", "WAIT_TIMEOUT allows more")
        assert made.err.count("waits on far: no node has a place") == 1

    def test_a_quota_that_is_too_small(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        self.admin("create", "quota", "small", "--hard=requests.memory=32Mi")
        try:
            repo.make(model, "train", "COMPUTE=small", **environ).failed("exceeded quota: small", "resources")
            repo.make(model, "train", f"COMPUTE={self.name}", **environ).failed("must specify requests.memory")
        finally:
            self.admin("delete", "quota", "small")

    def test_an_image_that_cannot_be_pulled(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        """The registry is gone after it was pushed to, before a node pulls."""
        registry = f"REGISTRY={self.cluster.registry}/other"
        repo.make(
            None, "compute-add", "NAME=other", "KIND=kubernetes", "CONTEXT=dev", f"NAMESPACE={self.namespace}",
            registry, **environ,
        ).succeeded()  # fmt: skip
        try:
            with self.no_place():
                process = repo.spawn(model, "train", "COMPUTE=other", "COMPUTE_TIMEOUT=5", **environ)
                until(lambda: self.objects("pods"), 120, process.poll)
                self.cluster.stop_registry()
            text = process.communicate(timeout=120)[0]
        finally:
            self.cluster.start_registry()
        assert process.returncode != 0
        assert "its image cannot be pulled: dial tcp" in text
        assert said(newest(model))["status"] == "failed"

    @pytest.mark.nightly
    def test_a_registry_that_is_away_is_waited_for(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        self.cluster.stop_registry()
        try:
            process = repo.spawn(model, "train", f"COMPUTE={self.name}", **environ)
            time.sleep(6)
        finally:
            self.cluster.start_registry()
        text = process.communicate(timeout=120)[0]
        assert process.returncode == 0, text
        assert f"{self.cluster.registry} does not answer: pushing is tried again" in text

    def test_what_is_missing_is_named(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        add = ("compute-add", "NAME=elsewhere", "KIND=kubernetes")
        repo.make(None, *add, **environ).failed("images reach a cluster by a registry")
        registry = f"REGISTRY={self.cluster.registry}"
        repo.make(None, *add, registry, "CONTEXT=nope", **environ).failed("kubectl has no context nope")
        made = repo.make(None, *add, registry, "NAMESPACE=default", **environ).succeeded()
        assert "it lacks create jobs, list jobs, delete jobs" in made.err
        repo.make(None, "computes", **environ).failed("elsewhere: see above")
        repo.make(model, "train", "COMPUTE=elsewhere", **environ).failed("ask for the permission to create jobs")

    def test_a_namespace_is_made_where_that_is_allowed(self, repo: Monorepo, model: Model) -> None:
        admin, registry = self.cluster.environ("admin"), f"REGISTRY={self.cluster.registry}"
        add = ("compute-add", "NAME=new", "KIND=kubernetes", "NAMESPACE=brand-new", registry)
        repo.make(None, *add, **admin).succeeded()
        repo.make(model, "train", "COMPUTE=new", **admin).succeeded()
        assert said(newest(model))["status"] == "finished"


def test_the_worked_example_prints_what_it_says(cluster: Cluster, tmp_path: Path) -> None:
    namespace = "example"
    prepare(cluster, namespace)
    clone = shipped_clone(tmp_path / "trainyard", "docker")
    commit_all(clone)
    instead = {
        "127.0.0.1:5000": cluster.registry,
        "NAMESPACE=lab": f"NAMESPACE={namespace}",
        "dev/lab": f"dev/{namespace}",
    }
    try:
        follow(clone, "compute.md", instead, TRACK_PORT=str(free_port()), **cluster.environ("dev"))
    finally:
        clone.make(None, "track-stop")
