"""Run a project by MLflow Projects: one process with a clean environment, and a container where it names an image.

What a project can reach: with an image, its own files, the tracker with the credentials that the service has there, and
the network (of this machine where the tracker listens on loopback: `container.options`). Without an image, all that the
service's user can: that needs RETRAIN_UNCONFINED=1.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.tracking.mlflow_client import connect
from trainyard.host.experiments.tracking.tracker import Tracker
from trainyard.host.network.loopback import is_loopback
from trainyard.host.operations.own_tracking import PASSWORD, URI, USER
from trainyard.host.retrain.mlprojects import container
from trainyard.host.retrain.mlprojects.child import Child, end_left_behind
from trainyard.host.retrain.mlprojects.job import ProjectJob, ProjectLimits, ProjectRun
from trainyard.host.retrain.mlprojects.mlflow_process import REFUSED
from trainyard.host.retrain.mlprojects.mlflow_runs import ended_run, new_run, set_killed
from trainyard.host.retrain.mlprojects.project_file import MAIN
from trainyard.host.retrain.mlprojects.staging import FOLDER, Staged, command_in, staged_project, write_variables
from trainyard.host.support.command import Commands
from trainyard.host.support.reporter import Reporter
from trainyard.settings.own_process import callers_environment

# What MLflow's process has of the service's environment. It needs to find programs, its language, certificates.
KEPT = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
)  # fmt: skip
MODULE = "trainyard.host.retrain.mlprojects.mlflow_process"


def run_project(
    job: ProjectJob,
    tracker: Tracker,
    limits: ProjectLimits,
    state: Path,
    reporter: Reporter,
    *,
    tracking_seconds: int = 10,
    on_run: Callable[[str], None] = lambda _: None,
) -> ProjectRun:
    """Run the entry point ``main``; what it has logged, and the verdict on the version that it registered, if it did.

    Args:
        job: what to run.
        tracker: where it logs.
        limits: what it may use.
        state: the service's folder of state; a folder of the job is made in there, and removed.
        reporter: is given its output, line by line.
        tracking_seconds: that the tracker may take to answer.
        on_run: is given the id of the run in MLflow, before anything is started.

    Raises:
        TrainyardError: it may not run here, the image is not there, or it failed; the message has its last lines. The
            run in MLflow is ended in each case, and by whatever else ends this call: nothing of it goes on.
    """
    check_allowed(job, limits)
    if tracker.artifacts:
        raise TrainyardError("a project of MLflow Projects logs to a server, and none runs", "make track DETACH=1")
    commands = Commands(reporter=reporter)
    folder = state / FOLDER / job.name
    remove_left_behind(job.name, state, reporter)
    image = container.need_image(job.project.image, commands, limits.pull) if job.project.image else None
    connection = connect(tracker, tracking_seconds)
    run, experiment = new_run(connection, job)
    on_run(run)
    try:
        if image:
            job = replace(job, project=replace(job.project, image=image.name))
        command = command_in(job.project, job.values)
        with staged_project(folder, job.project, command) as staged:
            _carry_out(job, {"run_id": run, "experiment_id": experiment}, tracker, limits, staged, image, commands)
    except (KeyboardInterrupt, SystemExit):
        set_killed(connection, run, reporter)
        raise
    except BaseException:
        set_killed(connection, run, reporter, failed=True)
        raise
    return ended_run(connection, run, job, state / "locks", reporter)


def check_allowed(job: ProjectJob, limits: ProjectLimits) -> None:
    """Raises:
    TrainyardError: the project's code would run without a container, and nobody has allowed that."""
    if not job.project.image and not limits.unconfined:
        raise TrainyardError(
            f"{job.project.path.name} has no docker_env: the project would run as the user of the service, "
            "with all that this user may do",
            "name an image in docker_env, or set RETRAIN_UNCONFINED=1",
        )


def remove_left_behind(name: str, state: Path, reporter: Reporter) -> None:
    """End, and remove, what a job of that name has left whose process was killed."""
    folder = state / FOLDER / name
    if folder.is_dir():
        container.end_container(name, Commands(reporter=reporter))
        end_left_behind(Staged(folder).pid)
        shutil.rmtree(folder, ignore_errors=True)


def _carry_out(
    job: ProjectJob, ids: Mapping[str, str], tracker: Tracker, limits: ProjectLimits, staged: Staged,
    image: container.Image | None, commands: Commands,
) -> None:  # fmt: skip
    own = {**job.given, **_tracking(tracker)}
    environment = {
        **_kept(), "HOME": str(staged.home), "UV_CACHE_DIR": str(staged.packages), "PYTHONUNBUFFERED": "1", **own,
    }  # fmt: skip
    asked: dict[str, Any] = {
        "uri": str(staged.code), "entry_point": MAIN, **ids, "env_manager": _environment_manager(job),
        "storage_dir": str(staged.home),
    }  # fmt: skip
    if image:
        asked["docker_args"] = container.options(job.name, staged, limits, host_network=_is_here(tracker))
        write_variables(staged.variables, container.variables(image), own)
    else:
        environment["PYTHONPATH"] = f"{staged.code}:{staged.helper}"
    child = Child(
        # -I: the project's files are none of its modules.
        [sys.executable, "-I", "-m", MODULE, str(staged.refusal)], environment, staged.folder, limits.time,
        lambda: container.end_container(job.name, commands) if image else None,
        tuple(filter(None, (tracker.password, *job.given.values()))),
    )  # fmt: skip
    try:
        status = child.run(json.dumps(asked), staged.pid, commands.reporter)
    finally:
        if image:  # once more: it may have been about to start when it was ended
            container.end_container(job.name, commands, container.END_AT_LAST)
    if status == REFUSED:
        raise TrainyardError(
            f"MLflow cannot run the project: {staged.refusal.read_text()}", "see its MLproject", EXIT_FAILED
        )
    if status:
        reason = " / ".join(child.last) or f"status {status}"
        raise TrainyardError(f"the project's command has failed: {reason}", "see its log", EXIT_FAILED)


def _environment_manager(job: ProjectJob) -> str:
    """With an image, or where the project names no environment, there is nothing to make. conda makes its own, where it
    is installed; else uv installs what the file has for pip."""
    if job.project.conda_env:
        return "conda" if shutil.which("conda") else "uv"
    return "uv" if job.project.python_env else "local"


def _tracking(tracker: Tracker) -> dict[str, str]:
    given = {USER: tracker.user, PASSWORD: tracker.password}
    found = {URI: tracker.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    if _is_here(tracker):
        host = urlsplit(tracker.uri).hostname or ""
        found |= {"NO_PROXY": host, "no_proxy": host}
    return found | {name: value for name, value in given.items() if value}


def _is_here(tracker: Tracker) -> bool:
    return is_loopback(urlsplit(tracker.uri).hostname or "")


def _kept() -> dict[str, str]:
    ours = callers_environment()
    found = {name: ours[name] for name in KEPT if name in ours}
    folder = str(Path(sys.executable).parent)  # where uv, and the Python of projects without an image, are
    return found | {"PATH": f"{folder}:{found.get('PATH', '/usr/bin:/bin')}"}
