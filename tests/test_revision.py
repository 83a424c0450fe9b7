"""Which commit something is made of, as git says it in every kind of clone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from trainyard.host.monorepo.revision import commit_of, differ

MODEL = "projects/sums/one"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, *files: str) -> Path:
    """A repository with one commit."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = (f"{MODEL}/train.py", "projects/sums/two/train.py", "utils/shared.py", "README.md")
    return repository(tmp_path / "root", *files)


def commit(root: Path, model: str = MODEL) -> str:
    return commit_of(root, [root / model], [root / "utils", root / "absent"])


def test_a_clean_clone(root: Path) -> None:
    assert commit(root) == git(root, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "changed", [f"{MODEL}/train.py", f"{MODEL}/new.py", f"{MODEL}/sub/new.txt", "utils/shared.py", "utils/new.py"]
)
def test_what_is_not_in_the_commit_makes_it_dirty(root: Path, changed: str) -> None:
    (root / changed).parent.mkdir(exist_ok=True)
    (root / changed).write_text("new\n")
    assert commit(root) == git(root, "rev-parse", "HEAD") + "-dirty"


def test_a_file_that_was_removed_or_renamed_makes_it_dirty(root: Path) -> None:
    git(root, "mv", f"{MODEL}/train.py", f"{MODEL}/trains.py")
    assert commit(root).endswith("-dirty")
    git(root, "commit", "--quiet", "-m", "second")
    assert commit(root) == git(root, "rev-parse", "HEAD")
    (root / MODEL / "trains.py").unlink()
    assert commit(root).endswith("-dirty")


@pytest.mark.parametrize(
    "changed",
    [
        "README.md", "projects/sums/two/train.py", "projects/sums/models/one.pkl", "projects/sums/runs/1/run.json",
        f"{MODEL}/__pycache__/train.pyc", f"{MODEL}/.env", f"{MODEL}/big.log",
    ],
)  # fmt: skip
def test_what_is_not_in_the_image_does_not(root: Path, changed: str) -> None:
    (root / ".git" / "info" / "exclude").write_text("*.log\n")
    (root / changed).parent.mkdir(parents=True, exist_ok=True)
    (root / changed).write_text("new\n")
    assert commit(root) == git(root, "rev-parse", "HEAD")


def test_the_users_configuration_changes_nothing(root: Path) -> None:
    git(root, "config", "status.showUntrackedFiles", "no")
    (root / MODEL / "new.py").write_text("")
    assert commit(root).endswith("-dirty")


def test_nobody_knows(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = commit(root)
    with monkeypatch.context() as others:
        others.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        assert commit(root) == ""  # git refuses: dubious ownership
        assert differ(head, [root / MODEL / "train.py"])
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        assert commit(root) == ""
    (tmp_path / "no" / MODEL).mkdir(parents=True)
    assert commit(tmp_path / "no") == ""
    git(tmp_path / "no", "init", "--quiet")
    assert commit(tmp_path / "no") == ""  # no commit yet
    (root / ".git" / "info" / "exclude").write_text("projects/\n")
    (root / "projects" / "own" / "one").mkdir(parents=True)
    assert commit(root, "projects/own/one") == ""  # git ignores it, so its commit says nothing of it


def test_other_kinds_of_clones(root: Path, tmp_path: Path) -> None:
    head = commit(root)
    (root / "README.md").write_text("more\n")
    git(root, "commit", "--quiet", "-am", "second")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{root}", "shallow")
    assert commit(tmp_path / "shallow") == git(root, "rev-parse", "HEAD")
    git(root, "checkout", "--quiet", "--detach", head)
    assert commit(root) == head
    git(tmp_path, "clone", "--quiet", "--bare", str(root), "bare")
    git(tmp_path / "bare", "worktree", "add", "--quiet", str(tmp_path / "tree"), head)
    assert commit(tmp_path / "tree") == head
    (tmp_path / "tree" / MODEL / "new.py").write_text("")
    assert commit(tmp_path / "tree") == f"{head}-dirty"
    repository(tmp_path / "around", "x")
    git(tmp_path / "around", "submodule", "--quiet", "add", str(root), "inner")
    assert commit(tmp_path / "around" / "inner") == git(root, "rev-parse", "HEAD")


@pytest.mark.parametrize("how", ["edited", "untracked", "at another commit"])
def test_a_model_in_a_submodule(root: Path, tmp_path: Path, how: str) -> None:
    repository(tmp_path / "other", "m/train.py")
    git(root, "submodule", "--quiet", "add", str(tmp_path / "other"), "projects/far")
    git(root, "commit", "--quiet", "-m", "with it")
    inner, head = root / "projects/far", git(root, "rev-parse", "HEAD")
    assert commit(root, "projects/far/m") == head
    (inner / "README.md").write_text("not of the model\n")
    assert commit(root, "projects/far/m") == head
    (inner / "m" / ("new.py" if how == "untracked" else "train.py")).write_text("new\n")
    if how == "at another commit":
        git(inner, "commit", "--quiet", "-am", "next")
    assert commit(root, "projects/far/m") == f"{head}-dirty"
    assert commit(root) == head


def test_a_clone_that_the_repository_does_not_know(root: Path) -> None:
    repository(root / "projects/far", "m/train.py")
    assert commit(root, "projects/far/m").endswith("-dirty")


def test_files_that_differ_from_a_commit(root: Path) -> None:
    head, file = commit(root), root / MODEL / "config.yaml"
    assert not differ(head, [file])
    file.write_text("params: {}\n")
    assert differ(head, [file])
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "second")
    assert not differ("HEAD", [file])
    assert differ(head, [file])
    assert differ("0" * 40, [file])  # which this clone does not have
