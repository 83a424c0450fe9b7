"""What git has of a commit: whether it is there, and which files it has. The network is not asked."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from trainyard.contract.files import CHUNK
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.revision import git

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SUBMODULE = "160000"
# What git has of a file whose content is in a store of Git LFS: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_POINTER = re.compile(r"version https://git-lfs\S*\noid sha256:([0-9a-f]{64})\nsize \d+\n")


def is_commit(text: str) -> bool:
    """Whether a text is a whole commit id, and no name or option."""
    return bool(_COMMIT.fullmatch(text))


def missing_commit(root: Path, commit: str) -> TrainyardError | None:
    """Why the repository of ``root`` does not have a commit; None where it has it."""
    try:
        git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    except TrainyardError as error:
        try:
            shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
        except TrainyardError:  # no git, no repository, or one that git refuses to read
            return error
        if shallow:
            return TrainyardError(f"commit {commit[:12]} is not in this shallow clone", "git fetch --unshallow")
        return TrainyardError(
            f"commit {commit[:12]} is not in this repository", "git fetch it from where it was pushed to"
        )
    return None


def has_file(root: Path, commit: str, path: str) -> bool:
    """Whether a commit has a file, or a folder; ``path`` is below ``root``."""
    try:
        git(root, "cat-file", "-e", f"{commit}:./{path}")
    except TrainyardError:
        return False
    return True


def text_in(root: Path, commit: str, path: str) -> str:
    """The text of a file in a commit; empty where it has none."""
    try:
        return git(root, "cat-file", "blob", f"{commit}:./{path}")
    except TrainyardError:
        return ""


def sha256_in(root: Path, commit: str, path: str) -> str:
    """The sha256 of a file in a commit, of what Git LFS keeps elsewhere too; empty where it has no such file."""
    try:
        size = int(git(root, "cat-file", "-s", f"{commit}:./{path}"))
        if size < 1024 and (pointer := _POINTER.fullmatch(text_in(root, commit, path))):
            return pointer[1]
        return _hashed(root, f"{commit}:./{path}")
    except TrainyardError:
        return ""


def submodules_in(root: Path, commit: str, paths: Iterable[str]) -> list[str]:
    """The submodules that a commit has at or below some paths."""
    try:
        listed = git(root, "ls-tree", "-r", "-z", commit, "--", *paths)
    except TrainyardError:
        return []
    entries = (entry.partition("\t") for entry in listed.split("\0"))
    return [path for facts, _, path in entries if facts.startswith(_SUBMODULE)]


def folder_in_repository(root: Path) -> str:
    """Where ``root`` is in its repository, as ``models/``; empty where it is the top.

    Raises:
        TrainyardError: git does not say.
    """
    return git(root, "rev-parse", "--show-prefix").strip("\n")


def _hashed(root: Path, blob: str) -> str:
    reading = ["git", "-C", str(root), "cat-file", "blob", blob]
    with subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        digest = hashlib.sha256()
        while chunk := process.stdout.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest() if process.returncode == 0 else ""
