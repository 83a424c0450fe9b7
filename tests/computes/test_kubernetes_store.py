"""A namespace of a cluster whose storage is a data store: pods read and write there, and have no key of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from experiments.stores import BUCKET, PASSWORD, object_store
from monorepo import Model, Monorepo, free_port
from needs import need
from processes_watched import watched
from waiting import until

from computes.cluster import Cluster
from computes.found_runs import newest, points, said
from computes.on_cluster import STEPS_LEFT, InNamespace, OnCluster, prepare

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]

ROWS = "a,b\n1,2\n3,4\n5,6\n"
QUICK = {"DATA_RETRIES": "1", "DATA_TIMEOUT": "2"}  # with a store that is down


class InDataStore(InNamespace):
    """``files`` is the folder below which the server keeps the objects of the store ``lake``."""

    namespace = "lab-store"
    folder: Path
    port: int
    server: ExitStack

    @property
    def files(self) -> Path:
        return self.folder / BUCKET / "lake"

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
        need("docker")
        cls.cluster, cls.folder, cls.port = cluster, tmp_path_factory.mktemp("s3"), free_port()
        prepare(cluster, cls.namespace)
        with ExitStack() as cls.server:
            cls.start()
            yield {
                "kind": "kubernetes", "namespace": cls.namespace, "registry": cluster.registry,
                "storage": {"store": "lake"},
            }  # fmt: skip

    @classmethod
    def start(cls) -> None:
        cls.server.enter_context(object_store(cls.folder, cls.cluster.host, cls.port))

    @contextmanager
    def away(self) -> Iterator[None]:
        """The store does not answer meanwhile."""
        self.server.close()
        try:
            yield
        finally:
            self.start()

    @pytest.fixture(scope="class")
    @classmethod
    def environ(cls, cluster: Cluster) -> dict[str, str]:
        keys = {"LAKE_AWS_ACCESS_KEY_ID": "me", "LAKE_AWS_SECRET_ACCESS_KEY": PASSWORD}
        return {**cluster.environ("dev"), **keys}

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _declared(cls, repo: Monorepo, environ: dict[str, str]) -> None:
        (repo.path / "datastores.yaml").write_text(
            f"lake:\n  url: s3://{BUCKET}/lake\n  endpoint: http://{cls.cluster.host}:{cls.port}\n"
            "  credentials: {variables: LAKE_}\n"
        )
        (repo.path / "train.csv").write_text(ROWS)
        repo.make(None, "data-push", "FROM=train.csv", "TO=lake:v1/", **environ).succeeded()

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        results = [path for path in self.files.glob(".trainyard/tasks/**/*") if path.is_file()]
        return [*super().left(repo, environ), *map(str, results)]


@pytest.mark.nightly
class TestContractInDataStore(InDataStore, OnCluster):
    namespace = "contract-store"
    keeps_checkpoints = False


class TestDataStore(InDataStore):
    def sent(self) -> dict[Path, int]:
        """Contents that were sent; each time that makes another file."""
        return {path: path.stat().st_ino for path in self.files.glob(".trainyard/data/*")}

    def test_no_byte_and_no_key_goes_by_way_of_us(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        options = (
            "DATASET_NAME=lake:v1/train.csv",
            f"PAYLOAD={json.dumps({'params': {'x': 2.5, 'steps': 20, 'pause': 0.2}})}",
        )
        secrets = (PASSWORD, "X-Amz-Signature")
        seen: set[str] = set()
        process, there = self.submitted(repo, model, "COMPUTE=far", *options, **environ)
        with watched(seen, *secrets):
            until(lambda: points(there), 120, process.poll)
        (pod,) = self.objects("pods")
        shown = self.admin("get", "jobs,pods,events", "--output=yaml") + self.admin("logs", pod["metadata"]["name"])
        text = process.communicate(timeout=120)[0]
        assert process.returncode == 0, text
        assert "begins at step 0" in shown
        assert not seen
        kept = [path for folder in (there, repo.path / ".trainyard") for path in folder.rglob("*") if path.is_file()]
        for secret in secrets:
            assert secret not in shown + text
            assert not [path for path in kept if secret.encode() in path.read_bytes()]
        assert not list(repo.path.glob(".trainyard/data/contents/*")), "it was fetched"
        assert not list(self.files.glob(".trainyard/data/*")), "it was sent"
        binary = model.binary.read_bytes()
        model.binary.unlink()
        repo.make(model, "train", *options, **environ, ENGINE="process").succeeded()
        assert model.binary.read_bytes() == binary
        here = newest(model)
        for name in ("dataset", "dataset_version", "dataset_sha256", "dataset_rows"):
            assert said(here)["tags"][name] == said(there)["tags"][name], name

    def test_a_store_that_is_away_keeps_what_was_trained(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        """The pod is gone meanwhile, and its Job."""
        run = self.leave(repo, model, environ)
        with self.away():
            repo.make(model, "attach", f"ID={run.name}", **environ, **QUICK).failed(
                "lake", "the connection was refused", f"make attach ID={run.name}"
            )
        assert said(run)["status"] == "running"
        self.admin("delete", "jobs,pods", "--all")
        made = repo.make(model, "attach", f"ID={run.name}", **environ).succeeded()
        assert "begins again" not in made.err
        assert said(run)["status"] == "finished"
        assert [point["step"] for point in points(run)] == list(range(STEPS_LEFT))
        assert (run / "log.txt").read_text().count("trained by process") == 1

    def test_what_cannot_go_to_the_store_waits_in_the_pod(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        """What is of the project goes there once, by content."""
        before = self.sent()
        process, run = self.spawn(repo, model, {**environ, **QUICK}, steps=20)
        with self.away():
            text = process.communicate(timeout=120)[0]
        assert process.returncode == 0, text
        assert "what it wrote: its data store fails" in text
        assert said(run)["status"] == "finished"
        sent = self.sent()
        assert sent
        assert before.items() <= sent.items()
        assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in sent] == [path.name for path in sent]

    def test_prune_removes_what_nobody_fetches(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        run = self.leave(repo, model, environ)
        task = json.loads((run / "compute.json").read_text())["task"]
        self.admin("delete", "jobs", "--all")
        kept = repo.make(None, "prune", ENGINE="process", **environ).succeeded()
        assert task not in kept.out + kept.err, "somebody may return to it"
        shutil.rmtree(run)
        made = repo.make(None, "prune", ENGINE="process", **environ).succeeded()
        assert f"Removed {task} on far" in made.err

    def test_a_key_that_the_store_does_not_take(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        """It is one line before anything is there."""
        wrong = {**environ, "LAKE_AWS_SECRET_ACCESS_KEY": "wrong"}
        self.train(repo, model, wrong).failed("the store refuses (SignatureDoesNotMatch)")
        line = repo.make(None, "computes", **wrong).out
        assert "the store refuses (SignatureDoesNotMatch)" in line
