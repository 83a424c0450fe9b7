"""The container of a project that names an image: which options it gets, and how it is ended.

MLflow Projects know docker alone. Only the image's name comes from the repository; every option is ours.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.container.confining import MEMORY_SHARE, MOST_TASKS, UNPRIVILEGED
from trainyard.host.retrain.mlprojects.job import ProjectLimits
from trainyard.host.retrain.mlprojects.staging import Staged
from trainyard.host.support.command import Commands, Limit

ENGINE = "docker"
CODE = "/mlflow/projects/code"  # where MLflow had the project in the images that it made of it
HELPER = "/mlflow/projects/helper"
LABEL = "trainyard.project"
END = 3.0  # seconds that ending a container may take, for a job to be over within five
END_AT_LAST = 60.0  # where that was not enough
TAG = Limit("", 30)


@dataclass(frozen=True)
class Image:
    """An image that is there: ``name`` is one that MLflow finds it by."""

    name: str
    environment: Mapping[str, str]


def container_of(job: str) -> str:
    """The name of a job's container."""
    return f"trainyard-project-{job}"


def need_image(name: str, commands: Commands, pull: Limit) -> Image:
    """The image, pulled where it is not there.

    Raises:
        TrainyardError: no engine; or no such image, here or where it would be pulled from, within the time for that.
    """
    if shutil.which(ENGINE) is None:
        raise TrainyardError(
            f"the project's MLproject names an image ({name}), and {ENGINE} is not installed",
            f"install {ENGINE}: MLflow Projects know no other engine",
        )
    if not _inspect(name, commands):
        commands.reporter.step(f"Pulling {name}")
        try:
            commands.run([ENGINE, "pull", "--quiet", name], pull)
        except TrainyardError as error:
            raise TrainyardError(
                f"the image {name} is not here and cannot be pulled ({error.message})",
                error.hint or "build it, or correct docker_env.image in MLproject", EXIT_FAILED,
            ) from None  # fmt: skip
    found = _inspect(name, commands)
    if not found:
        raise TrainyardError(f"{name}: {ENGINE} has no such image, though it was pulled", "", EXIT_FAILED)
    if not found["RepoTags"]:  # it was named by its digest, and MLflow takes the first tag
        tag = f"trainyard-project:{found['Id'].removeprefix('sha256:')[:12]}"
        commands.run([ENGINE, "tag", found["Id"], tag], TAG)
        name = tag
    pairs = (entry.partition("=") for entry in found["Config"].get("Env") or ())
    return Image(name, {key: value for key, _, value in pairs})


def _inspect(name: str, commands: Commands) -> dict[str, Any] | None:
    answer = commands.query([ENGINE, "image", "inspect", name])
    found = json.loads(answer.stdout) if answer else []
    return found[0] if found else None


def options(job: str, staged: Staged, limits: ProjectLimits, *, host_network: bool) -> dict[str, object]:
    """The options as ``mlflow.projects.run`` takes them. It writes them into a line that a shell reads: each is quoted.

    ``host_network``: the container reaches what this machine reaches by its own addresses, every server that listens on
    loopback included. It is given where the tracker listens there, and nowhere else.
    """
    given: dict[str, object] = {
        "name": container_of(job),
        "label": f"{LABEL}={job}",
        "pull": "never",
        "init": True,  # a shell that is process 1 would not hear SIGTERM
        **dict(zip((name.removeprefix("--") for name in UNPRIVILEGED[::2]), UNPRIVILEGED[1::2], strict=True)),
        "pids-limit": str(MOST_TASKS),
        "memory": limits.memory or str(int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))),
        "user": f"{os.getuid()}:{os.getgid()}",  # whose files it sees
        "volume": f"{staged.code}:{CODE}",
        "v": f"{staged.helper}:{HELPER}:ro",
        "workdir": CODE,
        "env-file": str(staged.variables),
    }
    if limits.cores:
        given["cpus"] = f"{limits.cores:g}"
    if limits.file_mb:
        given["ulimit"] = f"fsize={limits.file_mb << 20}"
    if limits.gpus:
        given["gpus"] = limits.gpus
    if host_network:
        given["network"] = "host"
    return {name: value if isinstance(value, bool) else shlex.quote(str(value)) for name, value in given.items()}


def variables(image: Image) -> dict[str, str]:
    """What the container has of ours beside the tracker: where Python finds the project and the helper package; a home,
    since the image's own may be another user's."""
    before = image.environment.get("PYTHONPATH", "")
    path = ":".join(filter(None, (CODE, before, HELPER)))
    return {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HOME": "/tmp"}  # noqa: S108 -- the container's


def end_container(job: str, commands: Commands, seconds: float = END) -> None:
    """Kill it, and remove it; nothing where there is none."""
    if shutil.which(ENGINE):
        commands.query([ENGINE, "rm", "--force", "--volumes", container_of(job)], seconds=seconds)
