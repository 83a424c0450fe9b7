"""The values that running a project takes and returns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trainyard.host.retrain.mlprojects.project_file import ProjectFile
from trainyard.host.support.command import Limit
from trainyard.settings.retrain import JobSettings


@dataclass(frozen=True)
class ProjectJob:
    """A project to run. ``name`` is that of its folder and its container, and no other job's; ``values`` are those of
    ``values_for``; ``tags`` are added to the run in MLflow. ``given`` are variables that its process gets, such as the
    key of the store where the tracker keeps artifacts: nothing of the service's environment reaches it otherwise."""

    name: str
    project: ProjectFile
    values: Mapping[str, str]
    experiment: str
    tags: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Raises:
        ValueError: the name cannot be that of a container."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(f"{self.name!r} is no name of a job")


@dataclass(frozen=True)
class ProjectLimits:
    """What a project may use. ``memory`` as engines write it, empty for nearly all of the machine's; ``cores`` 0 for
    all; ``gpus`` as of the engine's option. ``unconfined``: a project without an image may run, too."""

    time: Limit
    pull: Limit
    memory: str = ""
    cores: float = 0
    file_mb: int = 0
    gpus: str = ""
    unconfined: bool = False

    @classmethod
    def of(cls, settings: JobSettings, memory: str = "", cores: float = 0, file_mb: int = 0) -> ProjectLimits:
        """As the service's settings say; what a container of a job may use is said by whoever knows it."""
        time, pull = (
            Limit("RETRAIN_TIMEOUT", settings.job_timeout),
            Limit("RETRAIN_PULL_TIMEOUT", settings.pull_timeout),
        )
        return cls(time, pull, memory, cores, file_mb, settings.gpus, settings.unconfined)


@dataclass(frozen=True)
class ProjectRun:
    """What came of it. ``run`` is MLflow's id; ``version`` is ``<registered model>/<number>``, empty where the training
    registered none; ``promoted`` and ``reason`` are the verdict on it, None where there is no version."""

    run: str
    experiment: str
    status: str
    metrics: Mapping[str, float]
    version: str = ""
    promoted: bool | None = None
    reason: str = ""
