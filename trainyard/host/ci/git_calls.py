"""Calls of git that may take long, or write. Nobody is there to be asked for a password."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.settings.own_process import callers_environment

ASKS_NOBODY = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C"}
_ADVICE = re.compile(r"^(hint|To|remote: *$|Everything|Done)\b|^ ! |^$")


def call_git(
    root: Path,
    *arguments: str,
    seconds: int = 60,
    content: bytes = b"",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What git prints; ``content`` is its standard input, ``environment`` added to ours.

    Raises:
        TrainyardError: it is not installed, takes longer than ``seconds``, or refuses; with its reasons on one line.
    """
    if not (program := shutil.which("git")):
        raise TrainyardError("git is not on PATH", "install git")
    try:
        done = subprocess.run(
            [program, "-C", str(root), *arguments], input=content, capture_output=True, check=False,
            timeout=seconds or None, env={**callers_environment(), **ASKS_NOBODY, **environment},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TrainyardError(
            f"git {arguments[0]} took longer than {seconds} s and was stopped", "set CI_TIMEOUT to allow more seconds"
        ) from None
    if done.returncode:
        raise TrainyardError(f"git {arguments[0]}: {_reasons(done.stderr)}", exit_code=EXIT_FAILED)
    return done.stdout.decode(errors="replace").strip()


def _reasons(complaint: bytes) -> str:
    """Without advice, and without the credentials that a URL may have."""
    lines = complaint.decode(errors="replace").splitlines()
    told = [line.strip() for line in lines if not _ADVICE.match(line)] or [line.strip() for line in lines]
    told += [line.strip(" !") for line in lines if line.startswith(" ! ")]
    return re.sub(r"(?<=://)[^/\s]*@", "", " / ".join(told)) or "it does not say why"
