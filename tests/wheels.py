"""Trainyard as people install it: a wheel, built from a clone, in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from monorepo import OURS, ROOT

UV = str(ROOT / ".venv" / "bin" / "uv")


def run(command: list[str], cwd: Path | None = None, **env: str) -> str:
    """Its standard output; a failure shows all of what it has printed."""
    done = attempt(command, cwd, **env)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(command: list[str], cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in (*OURS, "PYTHONPATH")}
    return subprocess.run(
        command, cwd=cwd, env={**inherited, **env}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def build_wheel(sources: Path, folder: Path) -> Path:
    run([UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(sources)])
    return next(folder.glob("*.whl"))


def install(wheel: Path, environment: Path) -> Path:
    """The program ``trainyard``."""
    if not environment.exists():
        run([UV, "venv", "--quiet", str(environment)])
    run([UV, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), str(wheel)])
    return environment / "bin" / "trainyard"
