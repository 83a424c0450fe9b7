"""Monorepos made for the benchmark, and what is run in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.serving.servers import ROOT

COPIED = ("Makefile", "build.sh", "mk", "all", "common_utils", "utils", "pyproject.toml")
LEFT = shutil.ignore_patterns("__pycache__", "*.pkl", "*.onnx", ".trainyard")


@dataclass(frozen=True)
class Way:
    """One way to build: an engine, and what builds with it."""

    name: str
    variables: tuple[str, ...]

    @property
    def engine(self) -> str:
        return self.variables[0].partition("=")[2]


WAYS = {
    way.name: way
    for way in (
        Way("docker, s2i", ("ENGINE=docker", "BUILDER=s2i")),
        Way("docker", ("ENGINE=docker", "BUILDER=builtin")),
        Way("podman", ("ENGINE=podman",)),
        Way("process", ("ENGINE=process",)),
    )
}


def copy_monorepo(target: Path, *projects: str) -> Path:
    """The monorepo with some of its projects, without binaries and state, in ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (*COPIED, *(f"projects/{project}" for project in projects)):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=LEFT)
        else:
            shutil.copy2(source, target / name)
    os.utime(target / "pyproject.toml", (0, 0))  # older than the stamp of the environment that it borrows
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


def run(argv: list[str], cwd: Path | None = None, **env: str) -> str:
    """Run a program; ends the benchmark where it fails."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "TRAINYARD"))}
    done = subprocess.run(argv, cwd=cwd, env=inherited | env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(argv[:6])} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def timed(argv: list[str], cwd: Path | None = None) -> float:
    """Seconds that a program takes; what others have left to be written to the disk is not its."""
    os.sync()
    started = time.perf_counter()
    run(argv, cwd)
    return time.perf_counter() - started


def make(folder: Path, way: Way, *arguments: str) -> list[str]:
    """The command line of a make in ``folder``."""
    return ["make", "--no-print-directory", "-C", str(folder), *way.variables, *arguments]


def say(text: str) -> None:
    print(f"---> {text}", file=sys.stderr, flush=True)
