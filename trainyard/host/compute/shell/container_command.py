"""The command of a task's container, as the shell of the far machine runs it."""

from __future__ import annotations

import shlex

from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.compute.base import Task
from trainyard.host.compute.compute_file import Resources
from trainyard.host.engines.container.confining import MOST_TASKS, UNPRIVILEGED
from trainyard.host.engines.container.runner import RUN

APP = APP_ROOT["train"]
FOLDERS = {"data": "ro", "models": "rw", "run": "rw", "runs": "rw"}
CHECKPOINTS = "checkpoints"  # kept between tries
# Files belong to whoever the far shell is: docker's containers get its uid; podman's root is that user already.
_USER = """user= keep=
if [ "$(id -u)" = 0 ]; then keep='--env KEEP_USER=1'
elif [ {engine} = docker ]; then user="--user $(id -u):0"
fi
"""


# SIGTERM goes to us alone, and ends the waiting.
_WAIT = """child=$!
trap 'kill -TERM "$child"' TERM
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
done
"""


def container_command(engine: str, task: Task, grace: int) -> str:
    """A shell script, run in the task's folder. It trains, and leaves the exit status in a file there; or is a worker
    of a tuning, with the number ``$1``, which talks over its standard input and output."""
    # A trial shall not go on from what another one has saved.
    env = {**task.env} if task.workers else {**task.env, "CHECKPOINT_DIR": f"{APP}/{CHECKPOINTS}"}
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(env.items()))
    begin = f"{exports}{_USER.format(engine=engine)}"
    mounts = {**FOLDERS, CHECKPOINTS: "rw", **dict.fromkeys(_more_places(task), "ro")}
    volumes = " ".join(f'--volume "$PWD/{place}:{APP}/{place}:{mode}"' for place, mode in mounts.items())
    options = [*UNPRIVILEGED, "--pids-limit", str(MOST_TASKS), *_limits(engine, task)]
    for name, value in sorted(task.labels.items()):
        options += ["--label", f"trainyard.{name}={value}"]
    for name in sorted(env):
        options += ["--env", name]
    given = f"{shlex.join(options)} $user $keep {volumes} {shlex.join([task.image, RUN])}"
    if task.workers:
        return f'{begin}exec {engine} run --interactive --rm --name "{task.name}-$1" {given} trials sending\n'
    timeout = shlex.join(_timeout(task.resources, grace))
    return (
        f"{begin}{engine} rm --force {task.name} >/dev/null 2>&1\n"
        f"{timeout} {engine} run --name {task.name} {given} hosted &\n"
        f"{_WAIT}"
        f"{engine} container inspect --format '{{{{.State.OOMKilled}}}}' {task.name} >oom 2>/dev/null\n"
        f"{engine} rm --force {task.name} >/dev/null 2>&1\n"
        "echo $status >status.part\n"
        "mv status.part status\n"
    )


def _more_places(task: Task) -> set[str]:
    """Folders of inputs outside of data/, as that of a base model."""
    return {one.place.partition("/")[0] for one in task.inputs} - FOLDERS.keys()


def _limits(engine: str, task: Task) -> list[str]:
    resources = task.resources
    options = ["--cpus", f"{resources.cpu:g}"] if resources.cpu else []
    options += ["--memory", resources.memory] if resources.memory else []
    options += ["--network", "none"] if task.offline else []
    if resources.gpu:
        options += ["--gpus", str(resources.gpu)] if engine == "docker" else ["--device", "nvidia.com/gpu=all"]
    return options


def _timeout(resources: Resources, grace: int) -> list[str]:
    """docker and podman hand SIGTERM on to the container."""
    return ["timeout", f"--kill-after={grace}", str(resources.seconds)] if resources.seconds else []
