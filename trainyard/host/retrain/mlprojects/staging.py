"""The folder that a project runs in: a copy of its files, and of the MLproject only what was looked at.

code/     the project; links stay links, so that in a container they lead to nothing of this machine
helper/   the helper package, for PYTHONPATH
home/     the home of MLflow's process: nobody's credentials are in there
env       the variables of the container
pid       the first process, and when it started
refusal   why MLflow did not start the project
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainyard.errors import TrainyardError
from trainyard.host.retrain.mlprojects.helper_package import write_helper
from trainyard.host.retrain.mlprojects.project_file import MAIN, ProjectFile

FOLDER = "mlprojects"  # below the state folder of the service
# MLflow reads a path as a URI, and writes it into a command line.
_REFUSED_IN_PATHS = set("#:'\"")


@dataclass(frozen=True)
class Staged:
    folder: Path

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def helper(self) -> Path:
        return self.folder / "helper"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def packages(self) -> Path:
        """What uv has downloaded for the environments of projects; it stays for the next."""
        return self.folder.parent / ".packages"

    @property
    def variables(self) -> Path:
        return self.folder / "env"

    @property
    def refusal(self) -> Path:
        return self.folder / "refusal"

    @property
    def pid(self) -> Path:
        return self.folder / "pid"


@contextlib.contextmanager
def staged_project(folder: Path, project: ProjectFile, command: str) -> Iterator[Staged]:
    """Lay it out in ``folder``, and remove it afterwards.

    Raises:
        TrainyardError: MLflow cannot work below such a path; no space, no permission.
    """
    if _REFUSED_IN_PATHS & set(str(folder)):
        raise TrainyardError(f"{folder}: MLflow cannot run a project in such a path", "rename the folder above it")
    staged = Staged(folder)
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of a job whose process was killed
        folder.mkdir(parents=True, mode=0o700)
        shutil.copytree(project.folder, staged.code, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        (staged.code / project.path.name).unlink()
        staged.home.mkdir()
        write_helper(staged.helper)
        (staged.code / "MLproject").write_text(_clean(project, command))
        yield staged
    except (OSError, shutil.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainyardError(f"{folder}: the project cannot be copied ({reason})", "make room") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def command_in(project: ProjectFile, values: Mapping[str, str]) -> str:
    """The entry point's command with its values, each quoted for a shell, as MLflow does it."""
    return project.command.format(**{name: shlex.quote(value) for name, value in values.items()})


def _clean(project: ProjectFile, command: str) -> str:
    """The MLproject that MLflow reads. The command comes with its values.

    MLflow appends it to `run <image>` and has a shell of this machine read the line: of `a && b` the second part would
    run outside of the container. So one shell in the container gets all of it, as one word.
    """
    content: dict[str, Any] = {"name": "project"}
    if project.image:
        command = shlex.join(["sh", "-c", command])
        content["docker_env"] = {"image": project.image}
    elif project.python_env:
        content["python_env"] = project.python_env
    elif project.conda_env:
        content["conda_env"] = project.conda_env
    content["entry_points"] = {MAIN: {"command": command.replace("{", "{{").replace("}", "}}")}}
    return yaml.safe_dump(content)


def write_variables(path: Path, ours: Mapping[str, str], given: Mapping[str, str]) -> None:
    """The env-file of a container. Of what is ``given`` it has the names alone: the engine takes their values from its
    own environment, and none is on a command line or a disk."""
    lines = [*(f"{name}={value}" for name, value in ours.items()), *given]
    path.write_text("".join(f"{line}\n" for line in lines))
