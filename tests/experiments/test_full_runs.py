"""A disk that is full where runs are written."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from monorepo import Made, Model, Monorepo
from needs import can_mount

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")]


def train_on_a_small_disk(repo: Monorepo, model: Model, size: str) -> tuple[Made, str]:
    """``make train`` where runs/ has only so much room; what it left as run.json."""
    runs = model.path.parent / "runs"
    runs.mkdir()
    script = f'mount -t tmpfs -o size={size} tmpfs "{runs}" && make --no-print-directory train; status=$?'
    script += f'; cat "{runs}"/*/run.json >"{repo.path}/left.json"; exit $status'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], cwd=model.path, env=repo.environment(), capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    return Made(done.returncode, done.stdout, done.stderr), (repo.path / "left.json").read_text()


def test_a_log_that_does_not_fit_costs_no_training(repo: Monorepo, model: Model) -> None:
    model.replace("train.py", "import json\n", "import json\n\nprint('x' * 40_000)\n")
    repo.make(model, "build-train").succeeded()
    made, left = train_on_a_small_disk(repo, model, "32k")
    assert "the rest of the log is not kept" in made.err
    assert "Traceback" not in made.err
    assert model.binary.exists() == (made.status == 0)
    assert json.loads(left)["status"] in ("finished", "failed", "running")


def test_a_model_that_cannot_be_kept_changes_nothing(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train").succeeded()
    before = model.binary.read_bytes(), model.record.read_bytes()
    shutil.rmtree(model.path.parent / "runs")
    model.replace("train.py", '"rows": 2}', '"rows": "2" * 500_000}')
    repo.make(model, "build-train").succeeded()
    made, _ = train_on_a_small_disk(repo, model, "128k")
    made.failed("/runs/", "No space left on device", "make room, then train again")
    assert (model.binary.read_bytes(), model.record.read_bytes()) == before
    shutil.rmtree(model.path.parent / "runs")
    repo.make(model, "train").succeeded()
