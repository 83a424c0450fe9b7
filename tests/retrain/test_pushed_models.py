"""Which models of the service's monorepo a push changes; with real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from monorepo import Monorepo

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import open_session
from trainyard.host.retrain.triggers.own_monorepo import OwnMonorepo
from trainyard.host.retrain.triggers.pushed import Push
from trainyard.host.support.reporter import SILENT


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=me", "-c", "user.email=me@ours.example", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Origin:
    """A bare repository, the service's clone of it, and somebody else's who pushes."""

    def __init__(self, path: Path) -> None:
        self.repo = Monorepo(path / "service")
        for name in ("one", "two"):
            self.repo.add_model(name)
        self.repo.add_model("far", "other")
        (self.repo.path / ".gitignore").write_text(".venv\n.trainyard\n")
        git(self.repo.path, "init", "-q", "-b", "main")
        git(self.repo.path, "add", "-A")
        git(self.repo.path, "commit", "-q", "-m", "first")
        git(path, "clone", "-q", "--bare", "service", "origin.git")
        git(self.repo.path, "remote", "add", "origin", str(path / "origin.git"))
        git(path, "clone", "-q", "origin.git", "theirs")
        self.theirs = path / "theirs"
        self.own = OwnMonorepo(open_session(self.repo.path, SILENT))

    def pushed(self, *files: str) -> Push:
        """A commit that the service's clone does not have."""
        before = git(self.theirs, "rev-parse", "HEAD")
        for name in files:
            path = self.theirs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((path.read_text() if path.exists() else "") + "# changed\n")
        git(self.theirs, "add", "-A")
        git(self.theirs, "commit", "-q", "-m", "change")
        git(self.theirs, "push", "-q", "--force", "origin", "HEAD:main")
        return Push("main", git(self.theirs, "rev-parse", "HEAD"), before, (), "main")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


def test_the_models_whose_files_changed(origin: Origin) -> None:
    head = git(origin.repo.path, "rev-parse", "HEAD")
    assert origin.own.affected(origin.pushed("projects/sums/one/train.py"), 30) == ["sums/one"]
    assert origin.own.affected(origin.pushed("projects/sums/data/numbers.csv"), 30) == ["sums/one", "sums/two"]
    assert origin.own.affected(origin.pushed("common_utils/x.py"), 30) == ["other/far", "sums/one", "sums/two"]
    assert origin.own.affected(origin.pushed("README.md"), 30) == []
    # The service's own files stay as they are.
    assert git(origin.repo.path, "rev-parse", "HEAD") == head
    assert git(origin.repo.path, "status", "--porcelain") == ""


def test_a_new_branch_and_a_forced_push_are_compared_with_what_is_here(origin: Origin) -> None:
    push = origin.pushed("projects/sums/two/predict.py")
    for before in ("", "b" * 40):
        assert origin.own.affected(Push("main", push.commit, before, (), "main"), 30) == ["sums/two"]


def test_a_commit_that_cannot_be_had_is_one_line(origin: Origin) -> None:
    git(origin.repo.path, "remote", "set-url", "origin", "http://me:hidden@127.0.0.1:9/models.git")
    with pytest.raises(TrainyardError) as caught:
        origin.own.affected(Push("main", "c" * 40, "", (), "main"), 30)
    assert str(caught.value).startswith("commit cccccccccccc cannot be fetched: ")
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
