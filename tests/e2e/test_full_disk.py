"""A disk that fills up in the middle of a build."""

from __future__ import annotations

import subprocess

import pytest
from monorepo import Made, Model, Monorepo
from needs import can_mount

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")]


def make_on_a_small_disk(repo: Monorepo, model: Model, folder: str, size: str) -> Made:
    """``make build-predict`` where a folder below the monorepo has only so much room."""
    target = repo.path / folder
    target.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={size} tmpfs "{target}" && exec make --no-print-directory build-predict'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], cwd=model.path, env=repo.environment(), capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    return Made(done.returncode, done.stdout, done.stderr)


def test_while_packages_are_installed(repo: Monorepo, model: Model) -> None:
    (model.path / "requirements_predict.txt").write_text("numpy>=2,<3\n# a full disk\n")
    repo.make(model, "lock").succeeded()
    made = make_on_a_small_disk(repo, model, ".trainyard/process/deps", "4m")
    made.failed("no space left on the device while installing requirements.lock")
    assert "Built" not in made.err
    repo.make(model, "build-predict").succeeded()


def test_while_the_sources_are_put_in_place(repo: Monorepo, model: Model) -> None:
    (model.path / "table.bin").write_bytes(bytes(5_000_000))
    made = make_on_a_small_disk(repo, model, ".trainyard/process/images", "1m")
    assert "No space left on device" in made.err + made.out
    assert made.status != 0
    assert "Traceback" not in made.err
    repo.make(model, "build-predict").succeeded()
