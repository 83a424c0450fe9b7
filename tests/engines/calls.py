"""The engines' command lines, for what tests ask them without make."""

from __future__ import annotations

import subprocess
import time


def call(engine: str, *arguments: str) -> str:
    """The standard output of an engine's command, which has to succeed."""
    done = subprocess.run([engine, *arguments], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{engine} {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def inside(engine: str, image: str, command: str, *options: str) -> str:
    """What a shell command prints in a container of ``image``."""
    return call(engine, "run", "--rm", "--network", "none", *options, "--entrypoint", "/bin/bash", image, "-c", command)


def listed(engine: str, *arguments: str) -> list[str]:
    """The lines of ``images``; podman's fails where another process removes any image meanwhile."""
    for _ in range(20):
        done = subprocess.run([engine, "images", *arguments], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            return done.stdout.replace("localhost/", "").split()
        time.sleep(0.5)
    raise AssertionError(done.stderr)


def left_in_the_end(engine: str, count: int, *arguments: str) -> list[str]:
    """The same, once there are no more than ``count``: what was replaced is removed after make has ended."""
    deadline = time.monotonic() + 30
    while len(found := listed(engine, *arguments)) > count and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
