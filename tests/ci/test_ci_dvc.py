"""Inputs come from DVC, and what a training makes goes there before git names it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from monorepo import ROOT

from ci.branches import Branches, git

pytestmark = pytest.mark.slow  # DVC takes its time to start
ROWS = "a,b\n1,2\n3,4\n"


class WithDvc(Branches):
    """The data is imported from ``source`` by DVC, whose remote is a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.source, self.store = folder / "source.csv", folder / "store"
        self.source.write_text(ROWS)
        self.dvc("init", "-q")
        self.dvc("remote", "add", "-d", "store", str(self.store))
        self.git("rm", "-q", "--cached", "projects/sums/data/numbers.csv")
        (self.project / "data" / "numbers.csv").unlink()
        self.dvc("import-url", str(self.source), "projects/sums/data/numbers.csv")
        self.repo.make(None, "dvc").succeeded()
        self.dvc("push", "-q")
        self.ask("Data by DVC")

    def dvc(self, *arguments: str, at: Path | None = None) -> None:
        done = subprocess.run(
            [ROOT / ".venv/bin/dvc", *arguments], cwd=at or self.repo.path, capture_output=True, text=True, check=False,
            env=self.repo.environment(DVC_NO_ANALYTICS="1"), timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"dvc {arguments}:\n{done.stdout}\n{done.stderr}"


def test_inputs_are_fetched_and_outputs_pushed(tmp_path: Path) -> None:
    branches = WithDvc(tmp_path)
    branches.source.write_text(ROWS + "5,6\n")  # newer than what was imported
    asking = branches.ask("[train sums/one]")
    job = branches.clone(tmp_path / "job", "-b", "work")
    made = job.make(None, "ci-train").succeeded()
    assert "dvc update projects/sums/data/numbers.csv.dvc" in made.err
    assert "dvc pull projects/sums/data/numbers.csv.dvc" in made.err
    assert (job.path / "projects/sums/data/numbers.csv").read_text() == ROWS + "5,6\n"
    changed = git(branches.remote, "show", "--name-only", "--format=", "work").split()
    assert {"projects/sums/data/numbers.csv.dvc", "projects/sums/dvc.lock", "projects/sums/training_metrics.json"} <= {
        *changed
    }
    assert not [name for name in changed if name.endswith((".pkl", "numbers.csv"))]
    assert list(yaml.safe_load(branches.pushed("projects/sums/dvc.lock"))["stages"]) == ["one"]
    # Whoever clones the branch has the model.
    other = branches.clone(tmp_path / "other", "-b", "work")
    branches.dvc("pull", "projects/sums/dvc.yaml:one", "projects/sums/data/numbers.csv.dvc", at=other.path)
    for name in ("models/one.pkl", "models/one.json", "data/numbers.csv"):
        assert (other.path / "projects/sums" / name).read_bytes() == (job.path / "projects/sums" / name).read_bytes()
    # So does a pull request that tests it; one of a fork, which may not read the remote, says so.
    third, fork = (branches.clone(tmp_path / name, "-b", "work") for name in ("third", "fork"))
    assert "sums/one: ok" in third.make(None, "ci-test", "SINCE=origin/main").succeeded().out
    hidden = branches.store.rename(tmp_path / "hidden")
    assert "sums/one: not tested: dvc pull: " in fork.make(None, "ci-test", "SINCE=origin/main").succeeded().out
    hidden.rename(branches.store)
    # Another model of the project, asked for by another commit: its stage stands beside the first.
    branches.git("pull", "-q", "origin", "work")
    branches.ask("[train sums/two]")
    branches.repo.make(None, "ci-train").succeeded()
    assert sorted(yaml.safe_load(branches.pushed("projects/sums/dvc.lock"))["stages"]) == ["one", "two"]
    assert asking != git(branches.remote, "rev-parse", "work")


def test_what_dvc_refuses_is_not_named_by_git(tmp_path: Path) -> None:
    branches = WithDvc(tmp_path)
    asking = branches.ask("[train sums/one sums/two]")
    hidden = branches.store.rename(tmp_path / "hidden")
    branches.store.write_text("no folder")
    made = branches.repo.make(None, "ci-train")
    assert made.status == 2
    assert "again, one model at a time" in made.err
    assert "sums/one failed: dvc push: " in made.err
    assert "sums/two failed: dvc push: " in made.err
    assert "Failed:" in made.out
    assert git(branches.remote, "rev-parse", "work") == asking
    branches.store.unlink()
    hidden.rename(branches.store)
    branches.repo.make(None, "ci-train").succeeded()
    assert len(branches.runs()) == 2
    branches.source.unlink()
    branches.ask("[train sums/two]")
    made = branches.repo.make(None, "ci-train")
    assert made.status == 2
    assert "sums/two: dvc update: " in made.err
    assert len(branches.runs()) == 2


def test_an_import_from_another_repository(tmp_path: Path) -> None:
    """The other repository has moved on since the import."""
    branches = WithDvc(tmp_path)
    other = tmp_path / "data-team"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    branches.dvc("init", "-q", at=other)
    branches.dvc("remote", "add", "-d", "theirs", str(tmp_path / "theirs"), at=other)

    def publish(text: str) -> str:
        (other / "rows.csv").write_text(text)
        branches.dvc("add", "-q", "rows.csv", at=other)
        branches.dvc("push", "-q", at=other)
        git(other, "add", "-A")
        git(other, "commit", "-qm", "Rows")
        return git(other, "rev-parse", "HEAD")

    publish(ROWS)
    branches.dvc("import", f"file://{other}", "rows.csv", "-o", "projects/sums/data/rows.csv")
    newer = publish(ROWS + "7,8\n")
    branches.ask("[train sums/one]")
    job = branches.clone(tmp_path / "job", "-b", "work")
    made = job.make(None, "ci-train").succeeded()
    assert "dvc update projects/sums/data/numbers.csv.dvc projects/sums/data/rows.csv.dvc" in made.err
    assert (job.path / "projects/sums/data/rows.csv").read_text() == ROWS + "7,8\n"
    pinned = yaml.safe_load(branches.pushed("projects/sums/data/rows.csv.dvc"))
    assert pinned["deps"][0]["repo"]["rev_lock"] == newer
