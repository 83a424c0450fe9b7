"""What git says of files that an image or a training is made of: their commit, and whether the commit has all of them.

A path may lie in a repository of its own, below the monorepo's: a submodule, or a clone.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.sources import excluded

DIRTY = "-dirty"  # after a commit: there were changes, or files that git neither knows nor ignores
# Whatever the user's configuration says. A submodule counts here by its commit; its files are asked of itself.
STATUS = (
    "-c", "status.renames=false", "-c", "diff.renames=false", "--no-optional-locks", "status", "--porcelain=v2",
    "--branch", "-z", "--untracked-files=all", "--ignored=matching", "--ignore-submodules=dirty",
)  # fmt: skip
OID = "# branch.oid "
NO_COMMIT = "(initial)"
FIELDS = {"1": 8, "u": 10, "?": 1}  # before the path, by the kind of an entry: git-status(1), porcelain v2


@dataclass(frozen=True)
class Status:
    """The commit of a repository, empty before its first; which of the asked paths have changes; which it ignores."""

    commit: str
    changed: tuple[Path, ...]
    ignored: tuple[Path, ...]


def git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What git prints in ``folder``; ``environment`` in the place of ours.

    Raises:
        TrainyardError: it is not installed, or refuses; with its first reason.
    """
    if not (program := shutil.which("git")):
        raise TrainyardError("git is not on PATH", "install git")
    done = _run(program, folder, *arguments, environment=environment)
    if done.returncode:
        # Where there is no repository that it reads, git complains about what it was asked for instead.
        basic = _run(program, folder, "rev-parse", "--git-dir")
        complaint = (basic if basic.returncode else done).stderr.strip()
        reason = next(iter(complaint.splitlines()), f"status {done.returncode}")
        raise TrainyardError(f"git {arguments[0]}: {reason}", _fix(reason, folder))
    return done.stdout


def _run(
    program: str, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-C", str(folder), *arguments],
        capture_output=True, text=True, errors="replace", check=False, env=environment,
    )  # fmt: skip


def _fix(reason: str, folder: Path) -> str:
    if "dubious ownership" in reason:
        return f"it belongs to another user; if you trust that one: git config --global --add safe.directory {folder}"
    if "not a git repository" in reason:
        return "work in a clone"
    return "name a ref that this clone has: git fetch it"


def commit_of(root: Path, sources: Iterable[Path], shared: Iterable[Path]) -> str:
    """The commit of the repository ``root``, with ``-dirty`` where ``sources`` or ``shared`` have changes, or files
    that git neither knows nor ignores.

    Empty where git does not say: no git, no repository, one that it refuses to read, no commit yet, or ``sources``
    that it ignores.
    """
    commit, changed = commit_and_changes(root, sources, shared)
    return f"{commit}{DIRTY}" if commit and changed else commit


def commit_and_changes(root: Path, sources: Iterable[Path], shared: Iterable[Path]) -> tuple[str, tuple[Path, ...]]:
    """The same commit, and the files by which it is not all that there is."""
    sources, own = tuple(sources), _top(root)
    if own is None:
        return "", ()
    asked: dict[Path, list[Path]] = {own: []}
    for path in (*sources, *shared):
        asked.setdefault(_top(path) or own, []).append(path)
    asked[own] += [top for top in asked if top != own]  # is it at the commit that root's has of it
    try:
        found = {top: _status(top, paths) for top, paths in asked.items()}
    except TrainyardError:
        return "", ()
    if any(path.is_relative_to(other) for path in sources for one in found.values() for other in one.ignored):
        return "", ()
    return found[own].commit, tuple(path for one in found.values() for path in one.changed)


def differ(commit: str, paths: Iterable[Path]) -> bool:
    """Whether files are other ones than in ``commit``; also where git cannot tell."""
    asked = list(paths)
    top = _top(asked[0])
    if top is None:
        return True
    try:
        tracked = git(top, "diff", "--name-only", "-z", commit, "--", *map(str, asked))
        return bool(tracked or git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *map(str, asked)))
    except TrainyardError:
        return True


def _status(top: Path, paths: list[Path]) -> Status:
    commit, changed, ignored = "", [], []
    for entry in git(top, *STATUS, "--", *map(str, paths)).split("\0"):
        kind = entry[:1]
        if entry.startswith(OID):
            commit = entry.removeprefix(OID).replace(NO_COMMIT, "")
        elif kind == "!":
            ignored.append(top / entry[2:])
        elif kind in FIELDS:
            changed.append(Path(entry.split(" ", FIELDS[kind])[-1]))
    # What never gets into an image is no change of one.
    kept = tuple(top / path for path in changed if not any(map(excluded, path.parts)))
    return Status(commit, kept, tuple(ignored))


def _top(path: Path) -> Path | None:
    """The folder of the repository that a path lies in; None where it lies in none."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), None)
