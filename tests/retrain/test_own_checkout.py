"""A commit of the service's own monorepo, checked out beside it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from retrain.fetched import SETTINGS
from retrain.git_servers import CLEAN
from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.own_checkout import fetch_own
from trainyard.host.support.reporter import SILENT, Recording


class Own:
    """A clone, as the service has one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        environment = {**CLEAN, "PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a commit")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path / "own")


def test_each_way_to_name_a_commit(own: Own, tmp_path: Path) -> None:
    first = own.commit("a", "1")
    own.git("tag", "v1")
    own.git("update-ref", "refs/remotes/origin/there", first)
    newest = own.commit("a", "2")
    (own.folder / "a").write_text("not committed")
    (own.folder / "b").write_text("not committed")
    named = {"": newest, "main": newest, "v1": first, "there": first, first: first, first[:8]: first}
    for number, (name, commit) in enumerate(named.items()):
        found = fetch_own(own.folder, name, tmp_path / str(number), SETTINGS, SILENT)
        assert (found.commit, found.root) == (commit, tmp_path / str(number))
        assert (found.root / "a").read_text() == {first: "1", newest: "2"}[commit]
        assert not (found.root / "b").exists()
    status = ["git", "-C", str(tmp_path / "0"), "status", "--porcelain"]
    assert not subprocess.run(status, capture_output=True, check=True).stdout
    (tmp_path / "0" / "a").write_text("3")
    assert (own.folder / "a").read_text() == "not committed"


def test_a_monorepo_in_a_folder_of_its_repository(own: Own, tmp_path: Path) -> None:
    before = own.commit("other/a", "1")
    own.commit("models/m/a", "1")
    found = fetch_own(own.folder / "models", "", tmp_path / "new", SETTINGS, SILENT)
    assert found.root == tmp_path / "new" / "models"
    assert (found.root / "m" / "a").exists()
    with pytest.raises(FetchError, match="has no folder models/"):
        fetch_own(own.folder / "models", before, tmp_path / "older", SETTINGS, SILENT)
    assert not (tmp_path / "older").exists()


def test_a_work_tree_and_a_shallow_clone(own: Own, tmp_path: Path) -> None:
    own.commit("a", "1")
    newest = own.commit("a", "2")
    own.git("worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    assert fetch_own(tmp_path / "tree", "", tmp_path / "of_tree", SETTINGS, SILENT).commit == newest
    own.git("clone", "-q", "--depth=1", f"file://{own.folder}", str(tmp_path / "shallow"))
    assert fetch_own(tmp_path / "shallow", "", tmp_path / "of_shallow", SETTINGS, SILENT).commit == newest
    log = ["git", "-C", str(tmp_path / "of_shallow"), "log", "--oneline"]
    assert len(subprocess.run(log, capture_output=True, check=True).stdout.splitlines()) == 1


def test_the_remote_is_named_without_its_credential(own: Own, tmp_path: Path) -> None:
    own.commit("a", "1")
    own.git("remote", "add", "origin", "https://me:s3cr3t@github.com/ours/repo.git")
    fetch_own(own.folder, "", tmp_path / "new", SETTINGS, SILENT)
    config = (tmp_path / "new" / ".git" / "config").read_text()
    assert "url = https://github.com/ours/repo.git" in config
    assert "s3cr3t" not in config


def test_no_hooks_are_run(own: Own, tmp_path: Path) -> None:
    own.commit("a", "1")
    hook = own.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
    hook.chmod(0o755)
    fetch_own(own.folder, "", tmp_path / "new", SETTINGS, SILENT)
    assert not (tmp_path / "run").exists()


def test_submodules_that_are_checked_out(own: Own, tmp_path: Path) -> None:
    inner = Own(tmp_path / "inner")
    inner.commit("a", "inner")
    for path in ("sub", "empty"):
        own.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder), path)
    own.commit("b", "1")
    own.git("submodule", "deinit", "-q", "empty")
    reporter = Recording()
    found = fetch_own(own.folder, "", tmp_path / "new", SETTINGS, reporter)
    assert (found.root / "sub" / "a").read_text() == "inner"
    assert not list((found.root / "empty").iterdir())
    assert [line.split(" is ")[0] for line in reporter.noted("warning")] == ["submodule empty"]


def test_what_goes_wrong(own: Own, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="it has no commit") as caught:
        fetch_own(own.folder, "", tmp_path / "new", SETTINGS, SILENT)
    assert caught.value.trouble == Trouble.NO_COMMIT
    own.commit("a", "1" * 3_000_000)
    for name in ("nobranch", "e" * 40, "abcdef12"):
        with pytest.raises(FetchError, match="no commit, branch or tag of the service's monorepo: git fetch it there"):
            fetch_own(own.folder, name, tmp_path / "new", SETTINGS, SILENT)
    with pytest.raises(TrainyardError, match="can be called so"):
        fetch_own(own.folder, "--all", tmp_path / "new", SETTINGS, SILENT)
    with pytest.raises(FetchError, match="more than 2 MB"):
        fetch_own(own.folder, "", tmp_path / "new", replace(SETTINGS, fetch_mb=2), SILENT)
    (own.folder / "out").symlink_to("/etc")
    own.git("add", "-A")
    own.git("commit", "-q", "-m", "a link")
    with pytest.raises(FetchError, match="leads out of the checkout"):
        fetch_own(own.folder, "", tmp_path / "new", SETTINGS, SILENT)
    with pytest.raises(TrainyardError, match="not a git repository"):
        fetch_own(tmp_path, "", tmp_path / "new", SETTINGS, SILENT)
    assert not (tmp_path / "new").exists()
