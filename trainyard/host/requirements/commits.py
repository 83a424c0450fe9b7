"""A package at a commit of git, fetched once and kept as a source distribution. Nothing of it is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.network.urls import without_logins
from trainyard.host.requirements.local_packages import LocalPackage, read_archive
from trainyard.host.requirements.source_trees import package_of_folder

SECONDS = 300
# Nobody is asked for a password, and no helper program of the URL's choice is started.
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:file"}
# A link of the repository is a small file then: it cannot lead out of the folder.
CHECKOUT = ["-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=false", "checkout", "--quiet", "--detach"]


def package_of_commit(url: str, commit: str, below: str, cache: Path) -> LocalPackage:
    """The package in the folder ``below`` of a commit; ``cache`` is a folder that remembers it.

    Raises:
        TrainyardError: git is missing, or the commit cannot be fetched.
        ValueError: what is there is no package that a lock can hold.
    """
    kept = cache / hashlib.sha256("\0".join((url, commit, below)).encode()).hexdigest()[:16]
    if found := next(iter(kept.glob("*.zip")), None):
        return read_archive(found)
    with tempfile.TemporaryDirectory(prefix="trainyard-git-") as name:
        folder = Path(name)
        for arguments in (
            ["init", "--quiet", "--template="],
            ["fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, commit],
            [*CHECKOUT, commit],
        ):
            _git(folder, arguments)
        if not (folder / below).resolve().is_relative_to(folder.resolve()):
            raise ValueError("its subdirectory is not in the repository")
        package = package_of_folder(folder / below, folder)
    kept.mkdir(parents=True, exist_ok=True)
    write_whole(kept / package.filename, package.content)
    return package


def _git(folder: Path, arguments: list[str]) -> None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env={**os.environ, **QUIET}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS,
        )  # fmt: skip
    except FileNotFoundError:
        raise TrainyardError("git is not on PATH", "install git") from None
    except subprocess.TimeoutExpired:
        raise TrainyardError(f"git took longer than {SECONDS} s", "check the network", EXIT_FAILED) from None
    if done.returncode:
        reason = without_logins(" ".join(done.stderr.split())) or f"status {done.returncode}"
        raise TrainyardError(
            f"the commit cannot be fetched: {reason}", "check the URL, the commit and the network", EXIT_FAILED
        )
