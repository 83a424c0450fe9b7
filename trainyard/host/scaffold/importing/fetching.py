"""``FROM``: a folder, or a git repository, which is cloned so that nothing of it runs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.sources import shown
from trainyard.host.scaffold.importing.source_tree import SourceTree, read_tree
from trainyard.host.support.command import Commands, Limit
from trainyard.host.support.reporter import Reporter
from trainyard.settings.own_process import callers_environment

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://.+", re.IGNORECASE)
_SCP = re.compile(r"([\w.-]+@)?[\w.-]+:(?!/?$).+")  # git@host:owner/name
SCHEMES = ("https", "http", "ssh", "git", "file")
# No hooks, no submodules, no other ways of transport (ext:: runs a command), no download by Git LFS, no question.
SAFE = (
    "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false",
    "-c", "core.symlinks=true", "-c", "core.autocrlf=false",
)  # fmt: skip
CLONE = ("clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template=")
MINUTES = 30


@contextlib.contextmanager
def fetched(source: str, root: Path, reporter: Reporter) -> Iterator[SourceTree]:
    """The files that ``source`` names: a path, or a URL of git, with ``#<branch or tag>`` after it or not.

    Raises:
        TrainyardError: there is nothing, git cannot clone it, or the monorepo ``root`` lies in it.
    """
    if not source:
        raise TrainyardError("FROM is missing", "say which: make import FROM=<folder or git URL>")
    folder = Path(source).expanduser()
    if folder.is_dir() and root.resolve().is_relative_to(folder.resolve()):
        raise TrainyardError(f"FROM={source}: this monorepo lies in there", "name what is to come here")
    if folder.is_dir() and not _is_bare(folder):
        yield read_tree(folder, folder.resolve().name, source)
        return
    if not folder.is_dir() and not _is_url(source):
        raise TrainyardError(
            f"FROM={shown(Path(source))}: no such folder, and not a git URL", "name a folder, or https://host/name.git"
        )
    if not shutil.which("git"):
        raise TrainyardError("git is not on PATH", "install git")
    with tempfile.TemporaryDirectory(prefix="trainyard-import-") as name:
        url, _, branch = source.partition("#")
        target = Path(name) / "clone"
        label = _without_password(source)
        try:
            _clone(url if _is_url(source) else str(folder.resolve()), branch, target, reporter)
        except TrainyardError as error:
            reason = _without_password(error.message)
            raise TrainyardError(f"FROM={label}: {reason}", "check the URL, and that git may read it") from None
        yield read_tree(target, re.sub(r"\.git$", "", re.split("[/:]", url.rstrip("/"))[-1]), label)


def _without_password(text: str) -> str:
    return re.sub("(?<=://)[^/@]*@", "", text)


def _is_url(source: str) -> bool:
    if found := _URL.fullmatch(source):
        if found["scheme"].lower() not in SCHEMES:
            raise TrainyardError(f"FROM={source}: {found['scheme']} is not fetched", f"use {', '.join(SCHEMES)}")
        return True
    return "::" not in source and not source.startswith(("-", ".", "/")) and bool(_SCP.fullmatch(source))


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _clone(url: str, branch: str, target: Path, reporter: Reporter) -> None:
    safe = {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES)}
    inherited = {
        name: value
        for name, value in callers_environment().items()
        if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_TEMPLATE_DIR")
    }
    if branch.startswith("-"):
        raise TrainyardError(f"FROM: {branch!r} is no branch or tag", "write <url>#<branch or tag>")
    of_branch = ["--branch", branch] if branch else []
    with reporter.waiting("Cloning"):
        Commands().run(
            ["git", *SAFE, *CLONE, *of_branch, "--", url, str(target)],
            Limit("FROM=<a clone of yours>", MINUTES * 60), env={**inherited, **safe},
        )  # fmt: skip
