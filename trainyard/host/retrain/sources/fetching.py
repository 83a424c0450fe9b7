"""Fetches the files of one commit of a repository into a folder of its own.

The repository is somebody else's: nothing in it is run, nothing in it is written outside of the folder, and no more is
asked of its server than the job needs. ``git_program.py`` says how git is cut off, ``tree_checks.py`` what is refused.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trainyard.errors import EXIT_TERMINATED, TrainyardError
from trainyard.host.retrain.sources.allow_list import AllowList, parse_allow_list
from trainyard.host.retrain.sources.commit_objects import begin, check_commit_name, obtain
from trainyard.host.retrain.sources.git_credentials import GitCredential
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_program import Git, Limits
from trainyard.host.retrain.sources.git_uri import GitUri
from trainyard.host.retrain.sources.submodules import MOST_NESTED, addresses
from trainyard.host.retrain.sources.tree_checks import check_files, check_tree
from trainyard.host.support.reporter import Reporter
from trainyard.settings.retrain import JobSettings

CredentialFor = Callable[[GitUri], GitCredential | None]


def fetch(
    uri: GitUri,
    commit: str,
    folder: Path,
    settings: JobSettings,
    credential: GitCredential | None,
    reporter: Reporter,
    *,
    credential_for: CredentialFor = lambda _: None,
) -> str:
    """Fetch a commit into ``folder``, which is not there yet; its full id.

    ``commit`` is a branch, a tag (a branch of that name comes first), a short or full id, or empty for the default
    branch. A commit that no branch and no tag has is not fetched.

    ``credential_for`` gives those of submodules. On any failure the folder is removed; SIGTERM counts as one.

    Raises:
        TrainyardError: the address or the name of the commit is not taken; a ``FetchError`` says why git failed.
    """
    check_commit_name(commit)
    allowed = parse_allow_list(settings.sources)
    allowed.check(uri)
    fetching = _Fetching(settings, allowed, credential_for, Limits.of(settings), reporter)
    with made_or_removed(folder), reporter.waiting(f"Fetching {uri.shown} ..."):
        found = fetching.one(uri, commit, folder, credential)
    reporter.step(f"Fetched commit {found[:12]} of {uri.shown}")
    return found


@dataclass(frozen=True)
class _Fetching:
    """One fetch, with what its submodules share."""

    settings: JobSettings
    allowed: AllowList
    credential_for: CredentialFor
    limits: Limits
    reporter: Reporter

    def one(self, uri: GitUri, commit: str, folder: Path, credential: GitCredential | None, nested: int = 0) -> str:
        git = Git(folder, uri.shown, self.limits, uri, credential, self.settings.known_hosts)
        begin(git, commit)
        found = obtain(git, commit, pinned=nested > 0)
        submodules = check_tree(git, found)
        git.run("checkout", "--quiet", "--force", "--detach", found, "--")
        git.run("config", "remote.origin.url", uri.remote)
        check_files(git)
        if self.settings.submodules:
            if submodules and nested >= MOST_NESTED:
                raise FetchError(Trouble.REFUSED, f"{git.what}: submodules nested too deeply", "nest fewer")
            sources = addresses(git, found, submodules, uri)
            for submodule in submodules:
                self._submodule(git, submodule.path, submodule.commit, sources[submodule.path], nested)
        return found

    def _submodule(self, git: Git, path: str, commit: str, uri: GitUri, nested: int) -> None:
        self.allowed.check(uri)
        place = git.folder / path
        # git has made an empty folder; were it, or one around it, a link, it would be written to elsewhere.
        if place.is_symlink() or place.resolve() != git.folder.resolve() / path:
            raise FetchError(Trouble.REFUSED, f"{git.what}: submodule {path} lies behind a link", "move it")
        self.reporter.step(f"Fetching submodule {path} from {uri.shown} ...")
        place.mkdir(exist_ok=True)
        self.one(uri, commit, place, self.credential_for(uri), nested + 1)


@contextlib.contextmanager
def made_or_removed(folder: Path) -> Iterator[None]:
    """Make a folder, and remove it with all that is in it where the block fails, or SIGTERM or Ctrl-C ends it.

    Raises:
        TrainyardError: there is something in it already.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise TrainyardError(f"{folder} is there already", "fetch into a folder that is not there")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _terminated_by_exception():
            yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _terminated_by_exception() -> Iterator[None]:
    """Where SIGTERM would end the process at once, it raises an exception instead, so that things are cleaned up."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> NoReturn:
    raise SystemExit(EXIT_TERMINATED)
