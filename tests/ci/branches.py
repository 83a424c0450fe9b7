"""A monorepo with a bare remote, as a CI server checks it out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.conftest import TRAIN
from monorepo import ROOT, Model, Monorepo

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")
CONFIG = "params: {x: 0.0, steps: 1}\npromotion: {metric: loss}\n"


class Branches:
    """Two models, ``one`` and ``two``, committed on main, pushed to ``remote``; the work tree is on ``work``."""

    def __init__(self, folder: Path, engine: str = "process") -> None:
        self.repo = Monorepo(folder / "repo", engine)
        self.remote = folder / "remote.git"
        self.one, self.two = self._model("one"), self._model("two")
        shutil.copy(ROOT / ".gitignore", self.repo.path)
        with (self.repo.path / ".gitignore").open("a") as file:
            file.write(".venv\n")
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.remote))
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(self.remote))
        self.commit("The beginning")
        self.git("push", "-q", "-u", "origin", "main")
        self.git("checkout", "-q", "-b", "work")

    def _model(self, name: str) -> Model:
        model = self.repo.add_model(name)
        (model.path / "train.py").write_text(TRAIN)
        (model.path / "config.yaml").write_text(CONFIG)
        return model

    @property
    def project(self) -> Path:
        return self.one.path.parent

    def git(self, *arguments: str) -> str:
        return git(self.repo.path, *arguments)

    def commit(self, message: str) -> str:
        """Commit all that there is; the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        (self.project / "training_metrics.json").write_text(json.dumps(metrics))

    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.project.glob("runs/*/run.json"))]

    def clone(self, path: Path, *arguments: str) -> Monorepo:
        """Another clone of the remote, as another job has it."""
        git(path.parent, "clone", "-q", *arguments, f"file://{self.remote}", str(path))
        for name in (".venv", ".trainyard"):
            (path / name).symlink_to(self.repo.path / name)
        checked_out(path)
        other = object.__new__(Monorepo)
        other.path, other.engine, other.prefix = path, self.repo.engine, self.repo.prefix
        return other

    def pushed(self, path: str, branch: str = "work") -> str:
        """A file as the remote has it."""
        return git(self.remote, "show", f"{branch}:{path}")

    def ask(self, message: str) -> str:
        """Commit and push; the commit."""
        commit = self.commit(message)
        self.git("push", "-q", "origin", "HEAD")
        return commit


def checked_out(path: Path) -> None:
    """Git may have written the file anew: it is older than the environment's stamp."""
    os.utime(path / "pyproject.toml", (0, 0))


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()
