"""The objects of one commit, from the server of a repository: by the least that the server lets be asked for.

A server such as GitHub hands out, by its id, any commit of any fork or proposal, whoever pushed it. So a commit that
is named by its id has to be one that a branch or a tag of the repository leads to.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from contextlib import closing

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.commits import is_commit
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_program import Git

SHORTEST_ID = 4  # digits of a short commit id, as git has it
# For whatever asks git something in a checkout later: neither hooks nor filters that a user has configured.
CONFIG = "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n"
ATTRIBUTES = "* -filter\n"
_ID = re.compile(rf"[0-9a-f]{{{SHORTEST_ID},64}}")
_NO_REF = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|[/.]$|\.lock(/|$)|/\.|^@$")
_BRANCHES, _TAGS = "refs/heads/", "refs/tags/"


def check_commit_name(commit: str) -> None:
    """See that a text is a commit id, or can be the name of a branch or a tag; empty is the default branch.

    Raises:
        TrainyardError: it is something else: an option, a range, an expression of git.
    """
    if commit and (len(commit) > 250 or _NO_REF.search(commit)):
        shown = "".join(character if character.isprintable() else "?" for character in commit[:80])
        raise TrainyardError(f"commit_hash {shown}: no commit, branch or tag can be called so", "name one of these")


def begin(git: Git, commit: str = "") -> None:
    """An empty repository, for commit ids as long as this one; in the place of one that is there."""
    inner = git.folder / ".git"
    shutil.rmtree(inner, ignore_errors=True)
    form = "sha256" if len(commit) == 64 else "sha1"
    git.run("init", "--quiet", "--template=", f"--object-format={form}", repository=False)
    with (inner / "config").open("a") as file:
        file.write(CONFIG)
    (inner / "info").mkdir(exist_ok=True)
    (inner / "info" / "attributes").write_text(ATTRIBUTES)


def obtain(git: Git, commit: str, *, pinned: bool = False) -> str:
    """Fetch a commit with its files, and as little else as can be; its full id.

    ``pinned``: it is named by a commit that was fetched, so that any will do: the full id of a submodule.

    Raises:
        FetchError: there is no such commit, or git failed.
    """
    commit = "" if commit == "HEAD" else commit
    wanted = commit if pinned else _advertised(git, commit) or _in_history(git, commit.lower())
    if len(wanted) != len(commit) and len(wanted) == 64:
        begin(git, wanted)
    if not _has(git, wanted):
        _fetch_one(git, wanted)
    return git.run("rev-parse", "--verify", "--end-of-options", f"{wanted}^{{commit}}")


def _advertised(git: Git, name: str) -> str:
    """The id of what a branch or a tag is at: by its name, or by its full id; the default branch without one. Empty
    where there is none."""
    assert git.uri
    if not name:
        refs, asked = ["HEAD"], ["HEAD"]
    elif is_commit(name.lower()):
        refs, asked = [], ["--heads", "--tags"]
    else:
        full = [name] if name.startswith((_BRANCHES, _TAGS)) else [f"{_BRANCHES}{name}", f"{_TAGS}{name}"]
        refs = asked = [form for ref in full for form in (f"{ref}^{{}}", ref)]
    options = [option for option in asked if option.startswith("--")]
    found = {}
    with closing(_lines(git, "ls-remote", "--quiet", *options, "--", git.uri.remote, *refs)) as lines:
        for line in lines:
            digest, _, ref = line.partition("\t")
            if not refs and digest == name.lower():
                return digest
            if ref in refs:
                found[ref] = digest
    if not name and not found:
        why = "it has no default branch, or is no git repository"
        raise FetchError(Trouble.NO_COMMIT, f"{git.what}: {why}", "push a commit, or name a branch")
    return next((found[ref] for ref in refs if ref in found), "")


def _in_history(git: Git, start: str) -> str:
    """The full id of the commit whose id begins so, in the history of branches and tags. It is asked for without its
    files, where the server knows how."""
    if not _ID.fullmatch(start):
        raise _no_commit(git, start)
    if len(start) == 64:
        begin(git, start)
    _fetch_all(git, "--filter=tree:0")
    # Listed, and not looked up: git would fetch what it lacks, whoever pushed it.
    with closing(_lines(git, "rev-list", "--all")) as lines:
        found = {line for line in lines if line.startswith(start)}
    if len(found) > 1:
        raise FetchError(Trouble.NO_COMMIT, f"{git.what}: the commit id {start} is ambiguous", "write more of it")
    if not found:
        raise _no_commit(git, start)
    if any((git.folder / ".git" / "objects" / "pack").glob("*.promisor")):  # the files were left out
        begin(git, *found)
    return found.pop()


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
    refs = (f"+{_BRANCHES}*:refs/remotes/origin/*", f"+{_TAGS}*:{_TAGS}*")
    git.run("fetch", "--quiet", "--no-tags", *options, "--", git.uri.remote, *refs)


def _has(git: Git, commit: str) -> bool:
    """Whether git has a commit already. What was fetched without files is gone by then."""
    try:
        git.run("cat-file", "-e", f"{commit}^{{tree}}")
    except FetchError as error:
        if error.trouble == Trouble.TIMEOUT:
            raise
        return False
    return True


def _lines(git: Git, *arguments: str) -> Generator[str, None, None]:
    """What git prints, line by line."""
    rest = b""
    with closing(git.pieces(*arguments)) as pieces:
        for piece in pieces:
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)


def _no_commit(git: Git, commit: str) -> FetchError:
    why = f"{commit} is no branch or tag of it, and no commit that one of them leads to"
    return FetchError(Trouble.NO_COMMIT, f"{git.what}: {why}", "push it there, or name another one")
