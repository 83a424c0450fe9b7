"""The engines' command lines, for what tests ask them without make."""

from __future__ import annotations

import subprocess

from waiting import until


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

    def ask() -> subprocess.CompletedProcess[str] | None:
        done = subprocess.run([engine, "images", *arguments], capture_output=True, text=True, timeout=120, check=False)
        return done if done.returncode == 0 else None

    return until(ask, 30).stdout.replace("localhost/", "").split()


def left_in_the_end(engine: str, count: int, *arguments: str) -> list[str]:
    """The same, once they are ``count``: what was replaced is removed after make has ended."""
    return until(
        lambda: len(found := listed(engine, *arguments)) == count and found, 30, lambda: listed(engine, *arguments)
    )
