"""What a container may do: no more than serving, or training, needs. HARDENED=0 leaves that to the engine."""

from __future__ import annotations

import os
import re

from trainyard.errors import TrainyardError
from trainyard.host.engines.base import RunPlan
from trainyard.host.support.command import Commands
from trainyard.settings.host import TrainSettings

# As OpenShift confines a container.
UNPRIVILEGED = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# The memory of /tmp is the container's; who runs it may have no home but that.
READ_ONLY = (
    "--read-only",
    "--tmpfs", "/tmp:rw,nosuid,nodev,noexec,size=64m,mode=1777", "--env", "HOME=/tmp",  # noqa: S108 -- the container's
)  # fmt: skip
MOST_TASKS = 2048  # processes and threads; what podman sets by itself, wherever it can
MEMORY_SHARE = 0.9  # of this machine's memory, for a training that was given none
_CPUS = re.compile(r"[0-9]+(\.[0-9]+)?")
_MEMORY = re.compile(r"[1-9]\d*[bkmg]?", re.IGNORECASE)


def confinement(engine: str, plan: RunPlan, settings: TrainSettings, commands: Commands) -> list[str]:
    """The options of a container of ``plan``.

    Raises:
        TrainyardError: TRAIN_MEMORY is no amount of memory, or TRAIN_CPUS no number of cores.
    """
    if not plan.hardened:
        return []
    options = [*UNPRIVILEGED, *(["--pids-limit", str(MOST_TASKS)] if engine == "docker" else [])]
    if plan.role == "predict":
        return [*options, *READ_ONLY]
    for capability in _capabilities(engine, plan):
        options += ["--cap-add", capability]
    options += ["--cpus", _cpus(settings)] if settings.train_cpus else []
    memory = _memory(settings)
    return [*options, "--memory", memory] if _limits_memory(engine, commands) else options


def _capabilities(engine: str, plan: RunPlan) -> tuple[str, ...]:
    """None where what is mounted belongs to whoever calls: a training is of that user from the start."""
    uid = os.getuid()
    if all(mount.folder.stat().st_uid == uid for mount in plan.mounts if mount.folder.exists()):
        return ()
    if uid == 0:  # it stays root: the files that it writes are root's
        return ("DAC_OVERRIDE",)
    return ("SETUID", "SETGID") if engine == "podman" else ()  # podman's starts as root and drops to the owner


def _cpus(settings: TrainSettings) -> str:
    if not _CPUS.fullmatch(settings.train_cpus) or float(settings.train_cpus) <= 0:
        raise TrainyardError(
            f"TRAIN_CPUS={settings.train_cpus}: not a number of cores", "say, for example, TRAIN_CPUS=2"
        )
    return settings.train_cpus


def _memory(settings: TrainSettings) -> str:
    given = settings.train_memory
    if given and not _MEMORY.fullmatch(given):
        raise TrainyardError(f"TRAIN_MEMORY={given}: not an amount of memory", "say, for example, TRAIN_MEMORY=8g")
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return given or str(int(MEMORY_SHARE * installed))


def _limits_memory(engine: str, commands: Commands) -> bool:
    """docker ignores a limit that it cannot set; podman fails, as where a user may not use that part of cgroups."""
    if engine != "podman":
        return True
    answer = commands.query([engine, "info", "--format", "{{.Host.CgroupControllers}}"], seconds=10)
    return answer is not None and "memory" in answer.stdout
