"""What a process that stands in for a container is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.contract.environment import read_environment
from trainyard.host.build.baked_files import LABEL_BAKED
from trainyard.host.build.builder_files import BUILDERS
from trainyard.host.engines.base import RunPlan

# What a process may see of the caller's environment; a container would see nothing of it.
KEPT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR", "TZ", "USER", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
STAMP = ".trainyard-deps"  # in a virtual environment: all of its lock is installed


@dataclass(frozen=True)
class ProcessImage:
    """An image of the process engine."""

    build: Path
    venv: Path
    builder: Path
    role: str
    identity: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    more_venvs: tuple[Path, ...] = ()  # of further groups of models

    @property
    def venvs(self) -> tuple[Path, ...]:
        return self.venv, *self.more_venvs

    @property
    def variables(self) -> Mapping[str, str]:
        """What an image of a container engine has in its configuration."""
        path = self.build / ".s2i" / "environment"
        return read_environment(path) if path.is_file() else {}


def clean_environment(venv: Path) -> dict[str, str]:
    """The environment of a process that stands in for a container."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = f"{venv / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(venv), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def venv_variables(venvs: Sequence[Path]) -> dict[str, str]:
    """Where the scripts find them: VENV, VENV_2, ..."""
    names = ("VENV" if number == 1 else f"VENV_{number}" for number in range(1, len(venvs) + 1))
    return dict(zip(names, map(str, venvs), strict=True))


def run_script(plan: RunPlan, image: ProcessImage) -> list[str]:
    """What is executed: the run script of the image's role."""
    folder = next(name for role, name in BUILDERS.items() if role == image.role)
    return ["bash", str(image.builder / folder / "s2i" / "bin" / "run"), *plan.arguments]


def environment(plan: RunPlan, image: ProcessImage, root: Path) -> Mapping[str, str]:
    """The environment of a container of ``image``."""
    home = image.builder / "home"
    environment = {
        **clean_environment(image.venv),
        **image.variables,
        "BAKED_MODELS": image.labels.get(LABEL_BAKED, ""),
        **plan.env,
        "APP_ROOT": str(root),
        **venv_variables(image.venvs),
        "TRAINYARD_HOME": str(home),
        "PYTHONPATH": f"{root}:{home / 'lib'}",
        "TRAIN_HOME": os.environ.get("HOME", "/tmp"),  # noqa: S108 -- as in a container
        "KEEP_USER": "1",
    }
    if plan.port:
        environment.update(PORT=str(plan.port), BIND=plan.bind)
    return environment
