"""Which of the programs that some tests need are here."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

ENGINES = ("docker", "podman")


def available(program: str) -> bool:
    """Whether a program is here and answers. ``root`` is no program: whether root runs the tests."""
    if program == "root":
        return os.geteuid() == 0
    if not shutil.which(program):
        return False
    if program in ENGINES:
        return subprocess.run([program, "ps"], capture_output=True, check=False, timeout=60).returncode == 0
    return True


def need(program: str) -> None:
    """Skip where a program is missing; fail where TRAINYARD_REQUIRE says that it must be here (CI)."""
    if available(program):
        return
    required = os.environ.get("TRAINYARD_REQUIRE", "").replace(",", " ").split()
    (pytest.fail if program in required else pytest.skip)(
        f"{program} does not answer here" if program != "root" else "root has to run this"
    )


def can_mount() -> bool:
    """Whether a test may mount a file system, in a namespace of its own."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0
