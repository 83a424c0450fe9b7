"""Checks out a commit of the service's own monorepo, beside it: no network, no copy of its history.

The objects stay where they are, and are read from there (git calls them alternates). What is not committed is not in
it.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.commits import folder_in_repository, is_commit
from trainyard.host.monorepo.revision import git as own_git
from trainyard.host.retrain.sources.commit_objects import begin, check_commit_name
from trainyard.host.retrain.sources.fetching import made_or_removed
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_program import Git, Limits
from trainyard.host.retrain.sources.git_uri import parse
from trainyard.host.retrain.sources.tree_checks import check_files, check_tree
from trainyard.host.support.reporter import Reporter
from trainyard.settings.retrain import JobSettings


@dataclass(frozen=True)
class OwnCheckout:
    """The full id of the commit, and where the monorepo is in the checkout."""

    commit: str
    root: Path


def fetch_own(root: Path, commit: str, folder: Path, settings: JobSettings, reporter: Reporter) -> OwnCheckout:
    """Check out a commit of the monorepo ``root`` into ``folder``, which is not there yet. An empty name is the commit
    that the monorepo is at; a branch may be one of its own or of ``origin``, as it was when it was last fetched.

    On any failure the folder is removed; SIGTERM counts as one.

    Raises:
        TrainyardError: there is no such commit, git refuses, or a limit is exceeded.
    """
    check_commit_name(commit)
    within = folder_in_repository(root)
    top = Path(own_git(root, "rev-parse", "--show-toplevel").strip("\n"))
    found = _commit(top, commit)
    limits = Limits.of(settings)
    with made_or_removed(folder), reporter.waiting(f"Checking out commit {found[:12]} of {top} ..."):
        _check_out(top, found, folder, limits, reporter)
        if not (folder / within).is_dir():
            raise FetchError(
                Trouble.NO_COMMIT, f"{top}: commit {found[:12]} has no folder {within}", "name a newer commit"
            )
    reporter.step(f"Checked out commit {found[:12]} of {top}")
    return OwnCheckout(found, folder / within)


def _commit(top: Path, name: str) -> str:
    """The full id of what a name means."""
    refs = [f"refs/heads/{name}", f"refs/tags/{name}", f"refs/remotes/origin/{name}"]
    for candidate in [name or "HEAD"] if not name or is_commit(name) else [*refs, name]:
        # It says why it does not know one in several ways; that there is a repository is known.
        with contextlib.suppress(TrainyardError):
            return own_git(top, "rev-parse", "--verify", "--end-of-options", f"{candidate}^{{commit}}").strip()
    if not name:
        raise FetchError(Trouble.NO_COMMIT, f"{top}: it has no commit", "git commit there")
    raise FetchError(
        Trouble.NO_COMMIT, f"{top}: {name} is no commit, branch or tag of the service's monorepo",
        "git fetch it there, or name another one",
    )  # fmt: skip


def _check_out(top: Path, commit: str, folder: Path, limits: Limits, reporter: Reporter) -> None:
    git = Git(folder, str(top), limits)
    begin(git, commit)
    shared = Path(own_git(top, "rev-parse", "--path-format=absolute", "--git-common-dir").strip("\n"))
    (folder / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{shared / 'objects'}\n")
    if (shared / "shallow").exists():  # where the history of a shallow clone ends
        shutil.copyfile(shared / "shallow", folder / ".git" / "shallow")
    submodules = check_tree(git, commit)
    git.run("checkout", "--quiet", "--force", "--detach", commit, "--")
    if origin := _origin(top):
        git.run("config", "remote.origin.url", origin)
    check_files(git)
    for submodule in submodules:
        source = top / submodule.path
        if not (source / ".git").exists():
            reporter.warn(f"submodule {submodule.path} is not checked out in {top}, and so is empty here, too")
            continue
        _check_out(source, _commit(source, submodule.commit), folder / submodule.path, limits, reporter)


def _origin(top: Path) -> str:
    """The address that the monorepo was cloned from, without a credential; empty where it cannot be told."""
    try:
        return parse(own_git(top, "config", "--get", "remote.origin.url").strip("\n")).remote
    except TrainyardError:
        return ""
