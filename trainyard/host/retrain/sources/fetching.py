"""Fetches the files of one commit of a repository into a folder of its own.

The repository is somebody else's: nothing in it is run, nothing in it is written outside of the folder, and no more is
asked of its server than the job needs. ``git_program.py`` says how git is cut off, ``tree_checks.py`` what is refused.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trainyard.errors import EXIT_TERMINATED, TrainyardError
from trainyard.host.monorepo.commits import is_commit
from trainyard.host.retrain.sources.allow_list import AllowList, parse_allow_list
from trainyard.host.retrain.sources.git_credentials import GitCredential
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_program import Git, Limits
from trainyard.host.retrain.sources.git_uri import GitUri
from trainyard.host.retrain.sources.submodules import MOST_NESTED, addresses
from trainyard.host.retrain.sources.tree_checks import check_files, check_tree
from trainyard.host.support.reporter import Reporter
from trainyard.settings.retrain import JobSettings

SHORTEST_ID = 4  # digits of a short commit id, as git has it
_SHORT_ID = re.compile(rf"[0-9a-f]{{{SHORTEST_ID},63}}")
_NO_REF = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|[/.]$|\.lock(/|$)|/\.|^@$")
CredentialFor = Callable[[GitUri], GitCredential | None]


def check_commit_name(commit: str) -> None:
    """See that a text is a commit id, or can be the name of a branch or a tag; empty is the default branch.

    Raises:
        TrainyardError: it is something else: an option, a range, an expression of git.
    """
    if commit and (len(commit) > 250 or _NO_REF.search(commit)):
        shown = "".join(character if character.isprintable() else "?" for character in commit[:80])
        raise TrainyardError(f"commit_hash {shown}: no commit, branch or tag can be called so", "name one of these")


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
    """Fetch a commit into ``folder``, which is not there yet; its full id. A branch comes before a tag of its name.

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
        found = _fetched(git, commit)
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


def begin(git: Git, commit: str = "") -> None:
    """An empty repository, for commit ids as long as this one; in the place of one that is there."""
    shutil.rmtree(git.folder / ".git", ignore_errors=True)
    form = "sha256" if len(commit) == 64 else "sha1"
    git.run("init", "--quiet", "--template=", f"--object-format={form}", repository=False)


def _fetched(git: Git, commit: str) -> str:
    """The full id of a commit that git has now."""
    wanted = commit if is_commit(commit) else _advertised(git, commit)
    if not wanted:
        wanted = _by_short_id(git, commit)
    elif len(wanted) == 64 and not is_commit(commit):
        begin(git, wanted)
    if not _has(git, wanted):
        _fetch_one(git, wanted)
    return git.run("rev-parse", "--verify", "--end-of-options", f"{wanted}^{{commit}}")


def _advertised(git: Git, name: str) -> str:
    """The id of the commit that a branch, a tag, or the default branch (no name) is at; empty where there is none."""
    assert git.uri
    names = [name, f"refs/heads/{name}", f"refs/tags/{name}^{{}}", f"refs/tags/{name}"] if name else ["HEAD"]
    listed = git.run("ls-remote", "--quiet", "--", git.uri.remote, *names)
    found = {ref: digest for digest, _, ref in (line.partition("\t") for line in listed.splitlines())}
    if not name and "HEAD" not in found:
        why = "it has no default branch, or is no git repository"
        raise FetchError(Trouble.NO_COMMIT, f"{git.what}: {why}", "push a commit, or name a branch")
    exact = [name] if name.startswith("refs/") else []
    return next((found[ref] for ref in (*exact, *names[1:], *(["HEAD"] if not name else [])) if ref in found), "")


def _by_short_id(git: Git, commit: str) -> str:
    """The full id of what is no branch or tag: asked of the commits without their files, where the server knows how."""
    if not _SHORT_ID.fullmatch(commit.lower()):
        raise _no_commit(git, commit)
    _fetch_all(git, "--filter=tree:0")
    found = git.run("rev-parse", "--verify", "--end-of-options", f"{commit.lower()}^{{commit}}")
    if not _is_whole(git):
        begin(git, found)
    return found


def _fetch_one(git: Git, commit: str) -> None:
    """A commit without those before it; with them where the server sends only whole branches."""
    assert git.uri
    try:
        git.run("fetch", "--quiet", "--no-tags", "--depth=1", "--", git.uri.remote, commit)
    except FetchError as error:
        if error.trouble != Trouble.ONLY_REFS:
            raise
        begin(git, commit)
        _fetch_all(git)
        if not _has(git, commit):
            raise _no_commit(git, commit) from None


def _fetch_all(git: Git, *options: str) -> None:
    assert git.uri
    refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    git.run("fetch", "--quiet", "--no-tags", *options, "--", git.uri.remote, *refs)


def _has(git: Git, commit: str) -> bool:
    """Whether git has a commit with all of its files. It has none of those that a filter left out."""
    try:
        git.run("cat-file", "-e", f"{commit}^{{tree}}")
    except FetchError as error:
        if error.trouble in (Trouble.TIMEOUT, Trouble.TOO_LARGE):
            raise
        return False
    return True


def _is_whole(git: Git) -> bool:
    """Whether the server has taken no notice of the filter."""
    return not any((git.folder / ".git" / "objects" / "pack").glob("*.promisor"))


def _no_commit(git: Git, commit: str) -> FetchError:
    return FetchError(
        Trouble.NO_COMMIT,
        f"{git.what}: {commit} is no commit, branch or tag of it",
        "push it there, or name another one",
    )


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
