"""Two shipped projects under DVC: a checkout brings whole models back, also after trainings that DVC has not seen."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from monorepo import ROOT, Monorepo, ask

pytestmark = [pytest.mark.slow, pytest.mark.nightly]  # test_dvc.py asks the same of a model that is made for it

SHIPPED = {
    "agriculture_wine_cultivar/naiveBayes": ("wine_cultivar_nb", {"var_smoothing": 0.5}),
    "healthcare_diabetes_progression/ridge": ("diabetes_progression_ridge", {"alpha": 900.0}),
}


def copy(repo: Monorepo, model: str) -> Path:
    """A model of this repository with what its project shares; its folder."""
    project, name = model.split("/")
    source, target = ROOT / "projects" / project, repo.path / "projects" / project
    for part in ("data", "common_utils", name):
        shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    (target / name / "Makefile").write_text(
        (source / name / "Makefile").read_text().replace("CONTAINER_NAME := ", f"CONTAINER_NAME := {repo.prefix}-")
    )
    return target / name


def run(repo: Monorepo, *command: str) -> None:
    done = subprocess.run(
        command, cwd=repo.path, env=repo.environment(DVC_NO_ANALYTICS="1"), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("model", SHIPPED)
def test_a_checkout_brings_a_shipped_model_back_whole(tmp_path: Path, model: str) -> None:
    repo = Monorepo(tmp_path / "repo")
    folder = copy(repo, model)
    name, params = SHIPPED[model]
    models, dvc = folder.parent / "models", str(ROOT / ".venv/bin/dvc")
    sample = (folder / "test/test_instances.json").read_bytes()
    shutil.copy(ROOT / ".gitignore", repo.path)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    run(repo, "git", "init", "-q")
    run(repo, dvc, "init", "-q")
    repo.make(None, "dvc").succeeded()
    run(repo, dvc, "repro", str(folder.parent / "dvc.yaml"))
    run(repo, "git", *identity, "add", "-A")
    run(repo, "git", *identity, "commit", "-qm", "trained")
    record = json.loads((models / f"{name}.json").read_text())
    assert record["compiled"]["format"] == "onnx"

    def answer() -> str:
        with repo.serving(folder) as port:
            status, text = ask(port, f"{name}/predict", sample)
            assert status == 200, text
            return text

    before = answer()
    # A training that DVC has not seen replaces all files of the model, and gives its compiled form another name.
    repo.make(folder, "train", f"PAYLOAD={json.dumps({'params': params})}").succeeded()
    assert answer() != before
    run(repo, dvc, "checkout", "--force")
    assert json.loads((models / f"{name}.json").read_text()) == record
    assert answer() == before
