"""One compute in a monorepo of its own: for the contract, and for what a kind has beyond it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from experiments.conftest import TRAIN
from monorepo import Model, Monorepo
from waiting import until

from computes.found_runs import points, runs

# As TRAIN, and it saves where it is, takes memory, is told SIGTERM.
HARDER = (
    TRAIN.replace(
        '    for step in range(params["steps"]):\n',
        '    saved = pathlib.Path(os.environ.get("CHECKPOINT_DIR", "."), "step")\n'
        '    begin = int(saved.read_text()) if saved.exists() else 0\n'
        '    print("begins at step", begin, flush=True)\n'
        '    ballast = bytearray(params.get("megabytes", 0) << 20)\n'
        '    for step in range(begin, params["steps"]):\n'
        '        if "CHECKPOINT_DIR" in os.environ:\n'
        '            new = saved.with_suffix(".new")\n'  # one that is killed in mid-write leaves the state before
        '            new.write_text(str(step))\n'
        '            new.replace(saved)\n',
    )
)  # fmt: skip


def harder_model(repo: Monorepo) -> Model:
    """Its image is built once."""
    model = repo.add_model("parabola")
    (model.path / "train.py").write_text(HARDER)
    repo.make(model, "build-train").succeeded()
    return model


class OneCompute:
    """``name`` is in compute.yaml beside ``small``, the same compute with 64 MB of memory."""

    name = "far"

    @pytest.fixture(scope="class")
    @classmethod
    def entry(cls) -> Mapping[str, Any]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def environ(cls) -> dict[str, str]:
        return {}

    def left(self, repo: Monorepo, environ: Mapping[str, str]) -> list[str]:
        """What is there of tasks."""
        raise NotImplementedError

    def lose(self, task: str) -> None:
        """Its machine goes, or is taken away."""
        raise NotImplementedError

    def lose_worker(self, task: str) -> None:
        """The machine of one worker of a tuning, or of more, goes."""
        self.lose(task)

    @pytest.fixture(scope="class")
    @classmethod
    def repo(
        cls, tmp_path_factory: pytest.TempPathFactory, entry: Mapping[str, Any], environ: dict[str, str]
    ) -> Monorepo:
        repo = Monorepo(tmp_path_factory.mktemp("repo"), "docker")
        small = {**entry, "resources": {"memory": "64m"}}
        (repo.path / "compute.yaml").write_text(yaml.safe_dump({cls.name: dict(entry), "small": small}))
        return repo

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, repo: Monorepo) -> Model:
        return harder_model(repo)

    @pytest.fixture(autouse=True)
    def _nothing_left(self, repo: Monorepo, environ: Mapping[str, str]) -> Iterator[None]:
        yield
        assert not self.left(repo, environ)

    def train(self, repo: Monorepo, model: Model, environ: Mapping[str, str], compute: str = "", **params: Any) -> Any:
        payload = json.dumps({"params": {"x": 2.5, **params}})
        return repo.make(model, "train", f"COMPUTE={compute or self.name}", f"PAYLOAD={payload}", **environ)

    def spawn(self, repo: Monorepo, model: Model, environ: Mapping[str, str], **params: Any) -> Any:
        """A training that has begun, and the folder of its run."""
        payload = json.dumps({"params": {"x": 2.5, "steps": 40, "pause": 0.25, **params}})
        process, run = self.submitted(repo, model, f"COMPUTE={self.name}", f"PAYLOAD={payload}", **environ)
        until(lambda: points(run), 120, lambda: process.poll())
        return process, run

    def submitted(self, repo: Monorepo, model: Model, *options: str, **environ: str) -> Any:
        """A training, and the folder of its run, whose image is there."""
        before = runs(model)
        process = repo.spawn(model, "train", *options, **environ)
        run = until(lambda: next(iter(runs(model) - before), None), 120)
        until(lambda: (run / "compute.json").exists(), 120, lambda: process.poll())
        return process, run
