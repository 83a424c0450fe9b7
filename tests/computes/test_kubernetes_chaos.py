"""What happens to clusters and laptops at random moments: nothing is lost, nothing is trained twice, nothing is left.

``SEED`` and ``MOMENTS`` in the environment choose others.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from monorepo import Model, Monorepo
from waiting import until

from computes.cluster import NODES, Cluster
from computes.found_runs import points, runs, said, trials_of_newest, tunings
from computes.on_cluster import claim, prepare
from computes.one_compute import harder_model
from computes.tuning_contract import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.engine("docker")]

NAMESPACE = "chaos"
SEED = int(os.environ.get("SEED", 17))
MOMENTS = int(os.environ.get("MOMENTS", 10))
STEPS, TRIALS = 25, 6


class Chaos:
    """Does one thing after the other to a cluster, and to the client ``process``."""

    def __init__(self, cluster: Cluster, random: Random) -> None:
        self._cluster, self._random = cluster, random
        self.kinds: Mapping[str, Callable[[subprocess.Popen[str]], None]] = {
            "client": self._client, "pod": self._pod, "network": self._network, "kubelet": self._kubelet,
            "registry": self._registry,
        }  # fmt: skip

    def _client(self, process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _pod(self, _: object) -> None:
        pods = json.loads(admin(self._cluster, "get", "pods", "--output=json"))["items"]
        if pods:
            name = self._random.choice(sorted(pod["metadata"]["name"] for pod in pods))
            how = self._random.choice([(), ("--grace-period=0", "--force")])
            admin(self._cluster, "delete", "pod", name, "--ignore-not-found", *how)

    def _network(self, _: object) -> None:
        node = self._node()
        self._cluster.node_network(node, up=False)
        time.sleep(self._random.uniform(3, 45))  # a node is given up after 26
        self._cluster.node_network(node, up=True)

    def _kubelet(self, _: object) -> None:
        node = self._node()
        self._cluster.kill_kubelet(node)
        time.sleep(self._random.uniform(1, 10))
        self._cluster.start_kubelet(node)

    def _registry(self, _: object) -> None:
        self._cluster.stop_registry()
        time.sleep(self._random.uniform(1, 5))
        self._cluster.start_registry()

    def _node(self) -> str:
        return f"n{self._random.choice(NODES)}"


def study_of_newest(model: Model) -> Path:
    return model.path.parent / "runs" / tunings(model)[-1]["id"] / "study.db"


def admin(cluster: Cluster, *arguments: str) -> str:
    done = cluster.kubectl(f"--namespace={NAMESPACE}", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


class ChaosContract:
    """``storage`` is what compute.yaml says of it."""

    has_storage = False
    folder: Path
    cluster: Cluster

    @pytest.fixture(scope="class")
    @classmethod
    def cluster_of_chaos(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
        """One of its own: no other test likes what is done to it."""
        with Cluster(tmp_path_factory.mktemp("chaos")) as cluster:
            cls.cluster, cls.folder = cluster, tmp_path_factory.mktemp("claim")
            prepare(cluster, NAMESPACE)
            claim(cluster, NAMESPACE, cls.folder)
            yield cluster

    @pytest.fixture(scope="class")
    @classmethod
    def environ(cls, cluster_of_chaos: Cluster) -> dict[str, str]:
        return cluster_of_chaos.environ("dev")

    @pytest.fixture(scope="class")
    @classmethod
    def repo(cls, tmp_path_factory: pytest.TempPathFactory, cluster_of_chaos: Cluster) -> Monorepo:
        repo = Monorepo(tmp_path_factory.mktemp("repo"), "docker")
        entry = {"kind": "kubernetes", "namespace": NAMESPACE, "registry": cluster_of_chaos.registry}
        entry |= {"storage": {"volume": "kept"}} if cls.has_storage else {}
        (repo.path / "compute.yaml").write_text(json.dumps({"far": entry}))
        return repo

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, repo: Monorepo) -> Model:
        return harder_model(repo)

    @pytest.fixture(autouse=True)
    def _no_moment_spoils_the_next(self, cluster_of_chaos: Cluster) -> Iterator[None]:
        yield
        admin(self.cluster, "delete", "jobs", "--all")
        for task in self.folder.glob("tasks/*"):
            shutil.rmtree(task)

    @pytest.mark.parametrize("moment", range(MOMENTS))
    def test_a_training(self, repo: Monorepo, model: Model, environ: dict[str, str], moment: int) -> None:
        random, x = Random(f"{SEED} {moment}"), 2 + moment / 100
        chaos = Chaos(self.cluster, random)
        kind = sorted(chaos.kinds)[moment % len(chaos.kinds)]
        before = runs(model)
        payload = json.dumps({"params": {"x": x, "steps": STEPS, "pause": 0.3}})
        process = repo.spawn(model, "train", "COMPUTE=far", f"PAYLOAD={payload}", **environ)
        after = random.uniform(2, 18)
        time.sleep(after)
        chaos.kinds[kind](process)
        text = process.communicate(timeout=400)[0]
        shown = f"{kind} after {after:.1f} s: {text}"
        (run,) = runs(model) - before or (None,)
        if kind == "client":
            if run is None:  # it was killed before there was one
                return
            if (run / "compute.json").exists() and said(run)["status"] == "running":
                shown += repo.make(model, "attach", f"ID={run.name}", **environ).succeeded().err
            elif said(run)["status"] == "running":  # before it was submitted
                repo.make(model, "runs").succeeded()
                assert said(run)["status"] == "killed", shown
                return
        assert run, shown
        assert said(run)["status"] == "finished", shown
        self.check_published(model, run, x, shown)
        self.check_nothing_left()

    @pytest.mark.parametrize("moment", range(MOMENTS))
    def test_a_tuning(self, repo: Monorepo, model: Model, environ: dict[str, str], moment: int) -> None:
        (model.path / "config.yaml").write_text(CONFIG.replace("pause: 0.05", "pause: 1.0"))
        random = Random(f"{SEED} tuning {moment}")
        chaos = Chaos(self.cluster, random)
        kind = sorted(chaos.kinds)[moment % len(chaos.kinds)]
        options = ("COMPUTE=far", "NODES=2", f"TRIALS={TRIALS}")
        before = len(tunings(model))
        process = repo.spawn(model, "tune", *options, **environ)
        after = random.uniform(4, 25)
        time.sleep(after)
        chaos.kinds[kind](process)
        text = process.communicate(timeout=600)[0]
        shown = f"{kind} after {after:.1f} s: {text}"
        if kind == "client" and (len(tunings(model)) == before or not study_of_newest(model).exists()):
            self.check_nothing_left()  # it was killed before there was anything to go on with
            return
        if kind == "client" and tunings(model)[-1]["status"] == "running":
            made = repo.make(model, "tune", "RESUME=1", *options, **environ)
            shown += made.out + made.err
            assert made.status == 0, shown
        self.check_trials(model, shown)
        self.check_nothing_left()

    def check_published(self, model: Model, run: Path, x: float, shown: str) -> None:
        assert {point["step"] for point in points(run)} == set(range(STEPS)), shown
        binary = model.binary.read_bytes()
        assert pickle.loads(binary)["factor"] == x, shown
        record = json.loads(model.binary.with_suffix(".json").read_text())
        assert record["sha256"] == hashlib.sha256(binary).hexdigest(), shown
        assert (run / "model" / model.binary.name).read_bytes() == binary, shown
        assert json.loads((run / "compute.json").read_text())["over"], shown
        assert not list(model.binary.parent.glob(".*")), shown

    def check_trials(self, model: Model, shown: str) -> None:
        """None is lost with its worker, and none has two results."""
        tuning, trials = tunings(model)[-1], trials_of_newest(model)
        assert tuning["status"] == "finished", shown
        finished = [one for one in trials if one["status"] == "finished"]
        numbers = [one["tags"]["trial"] for one in finished]
        assert len(set(numbers)) == len(numbers), shown
        assert not [one for one in trials if one["status"] not in ("finished", "killed")], shown
        assert len(finished) in (TRIALS, TRIALS + 1), shown  # one that ended just before the client did
        for one in finished:
            steps = [point["step"] for point in points(model.path.parent / "runs" / one["id"])]
            assert steps == list(range(3)), shown
        finals = [one for run in runs(model) if (one := said(run))["parent"] == tuning["id"] and one not in trials]
        assert {one["id"]: one["status"] for one in finals}[tuning["tags"]["final_run"]] == "finished", shown
        assert all(one["status"] in ("finished", "killed") for one in finals), shown

    def check_nothing_left(self) -> None:
        """A node that was away ends its pods once it can be reached."""
        until(lambda: not self._left(), 120, self._left)

    def _left(self) -> list[Any]:
        there = admin(self.cluster, "get", "jobs,pods", "--output=name").split()
        return [*there, *self.folder.glob("tasks/*")]


class TestChaosOfPods(ChaosContract):
    pass


class TestChaosOfVolume(ChaosContract):
    has_storage = True
